'use client'
import { useRouter } from 'next/navigation'
import { startTransition } from 'react'

// Also where nobody can know who is signed in: that is no reason to sign in again.
export default function Problem({ reset }) {
  const router = useRouter()
  // By itself reset shows what there is, the error: the server must render anew.
  const again = () =>
    startTransition(() => {
      router.refresh()
      reset()
    })
  return (
    <main>
      <h1>Not now</h1>
      <p>Something is out of reach. You are still signed in.</p>
      <button onClick={again}>Try again</button>
    </main>
  )
}
