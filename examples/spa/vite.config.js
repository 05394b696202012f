import { defineConfig } from 'vite'

const writ = process.env.WRIT_ISSUER ?? 'http://localhost:8080'
// What a reverse proxy does in production: Writ's paths and the pages' are one origin.
const proxy = { '/v1': writ, '/.well-known': writ }

export default defineConfig({
  server: { host: 'localhost', proxy },
  preview: { host: 'localhost', proxy },
  // The page may ask itself, and the issuer for its public keys.
  plugins: [{ name: 'policy', transformIndexHtml: (html) => html.replace('%ISSUER%', writ) }],
  oxc: { jsx: { runtime: 'automatic' } },
})
