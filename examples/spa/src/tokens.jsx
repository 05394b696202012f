import { useState } from 'react'
import { createVerifier } from 'writ/verify'

// Checks a token in the page, with the issuer's published keys: for somebody who
// wants to see what a token says, not for letting anybody in. A page's own check
// binds nobody; the API's does.
async function check(token) {
  const { issuer } = await fetch('/.well-known/openid-configuration').then((response) => response.json())
  // The issuer's own address must be within reach of the page: discovery and
  // keys are public. A page doesn't follow revocations: each tab would hold a
  // connection open.
  const verifier = createVerifier({ issuer, audience: audienceOf(token), revocation: 'unchecked' })
  try {
    const { claims } = await verifier.verify(token)
    return JSON.stringify(claims, null, 2)
  } finally {
    verifier.dispose()
  }
}

// The audience that a token names for itself. An API never asks the token: it
// knows its own name.
function audienceOf(token) {
  const payload = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token)?.[1]
  if (!payload) throw new Error('not a token: three parts with a dot between them')
  let claims
  try {
    claims = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
  } catch {
    throw new Error('not a token: its middle part is no JSON')
  }
  if (!claims?.aud) throw new Error('not for any API: it names no audience')
  return claims.aud
}

export function Tokens() {
  const [text, setText] = useState('')
  async function submit(event) {
    event.preventDefault()
    const token = new FormData(event.currentTarget).get('token').trim()
    setText(await check(token).catch((error) => `Refused: ${error.code ?? error.message}`))
  }
  return (
    <form onSubmit={submit}>
      <label>
        An access token of this issuer <textarea name="token" rows="4" required />
      </label>
      <button>Check it</button>
      <pre id="claims">{text}</pre>
    </form>
  )
}
