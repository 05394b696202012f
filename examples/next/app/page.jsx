import Link from 'next/link'
import { auth } from '../lib/auth.js'
import { nameOf } from '../lib/name.js'
import { SignOut } from './session.jsx'

export default async function Home() {
  const access = await auth.user()
  return (
    <main>
      <h1>Notes</h1>
      {access ? (
        <>
          <p id="who">Signed in as {nameOf(access)}</p>
          <p>
            <Link href="/notes">Your notes</Link>
          </p>
          <SignOut />
        </>
      ) : (
        <p id="who">
          Nobody is signed in. <Link href="/sign-in">Sign in</Link>
        </p>
      )}
    </main>
  )
}
