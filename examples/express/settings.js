// Everything that can be set, from the environment.
import { readFileSync } from 'node:fs'

export function settings(env) {
  const algorithm = env.ALGORITHM ?? 'RS256'
  // Never HS256 here: the keys are public, and as a secret everybody knows them.
  if (!['RS256', 'PS256', 'ES256'].includes(algorithm)) {
    throw new Error(`ALGORITHM is ${algorithm}, not RS256, PS256 or ES256`)
  }
  return {
    port: Number(env.PORT ?? 3000),
    issuer: env.ISSUER ?? 'http://localhost:8080',
    audience: env.AUDIENCE ?? 'https://api.example.com',
    algorithm,
    maxStale: Number(env.MAX_STALE ?? 30),
    stockAudience: env.STOCK_AUDIENCE ?? 'https://stock.example.com',
    stockSecrets: env.STOCK_SECRET_FILE ? secrets(env.STOCK_SECRET_FILE) : [],
  }
}

// One secret a line: two while the old one is being replaced. The characters
// themselves are the key, so they are not decoded.
function secrets(file) {
  const lines = readFileSync(file, 'utf8').split('\n').map((line) => line.trim()).filter(Boolean)
  if (lines.length === 0 || lines.some((line) => line.length < 32)) {
    throw new Error(`${file} needs a secret of at least 32 characters on each line`)
  }
  return lines
}
