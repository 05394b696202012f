'use client'
import { useRouter } from 'next/navigation'
import { useEffect } from 'react'
import { createWrit } from 'writ'
import { WritProvider, useUser, useWrit } from 'writ/react'

// Writ's paths are on this origin: see proxy.js. On a server the client does nothing.
const writ = createWrit({ issuer: typeof location === 'undefined' ? 'http://localhost' : location.origin })

/** server is the id of whom the server has rendered this for; null: nobody; undefined: it can't know. */
export function Session({ server, children }) {
  return (
    <WritProvider writ={writ}>
      <Agreement server={server}>{children}</Agreement>
    </WritProvider>
  )
}

// The browser hears of a sign-out at once, also of one in another tab, the
// server a moment later, and of a revocation the server first. Until they agree
// the page is rendered anew, and what is for somebody else isn't shown.
function Agreement({ server, children }) {
  const user = useUser()
  const router = useRouter()
  const agreed = user === undefined || server === undefined || (user?.id ?? null) === server
  useEffect(() => {
    if (agreed) return
    let timer
    const ask = (wait) => {
      if (!server) writ.fetch('/v1/me').catch(() => {}) // the client finds out
      router.refresh()
      timer = setTimeout(ask, wait, Math.min(wait * 2, 10_000))
    }
    ask(250)
    return () => clearTimeout(timer)
  }, [agreed, server, router])
  return agreed || !server ? children : <p>One moment …</p>
}

export function SignIn({ next }) {
  const writ = useWrit()
  const router = useRouter()
  async function submit(event) {
    event.preventDefault()
    const form = event.currentTarget
    const { email, password } = Object.fromEntries(new FormData(form))
    const alert = form.querySelector('[role=alert]')
    try {
      await writ.signIn({ email, password })
      router.replace(next)
    } catch (error) {
      alert.textContent = error.code === 'invalid_credentials' ? 'Wrong e-mail or password.' : `That didn't work: ${error.message}`
    }
  }
  // The method is for a form that is sent before React is there: a password
  // doesn't belong into an address.
  return (
    <form method="post" onSubmit={submit}>
      <label>
        E-mail <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <p role="alert" />
      <button>Sign in</button>
    </form>
  )
}

export function SignOut() {
  const writ = useWrit()
  return (
    <button type="button" onClick={() => writ.signOut().catch((error) => console.error(error.code))}>
      Sign out
    </button>
  )
}
