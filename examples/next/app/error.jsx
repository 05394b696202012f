'use client'

// Also where nobody can know who is signed in: that is no reason to sign in again.
export default function Problem({ reset }) {
  return (
    <main>
      <h1>Not now</h1>
      <p>Something is out of reach. You are still signed in.</p>
      <button onClick={reset}>Try again</button>
    </main>
  )
}
