import Link from 'next/link'
import { redirect } from 'next/navigation'
import { auth } from '../../lib/auth.js'
import { nameOf } from '../../lib/name.js'
import { readNotes } from '../../lib/notes.js'
import { SignOut } from '../session.jsx'
import { add } from './actions.js'

export default async function Page() {
  const access = await auth.user()
  if (!access) redirect('/sign-in?next=/notes')
  const notes = await readNotes()
  return (
    <main>
      <h1>Your notes</h1>
      <p id="who">Signed in as {nameOf(access)}</p>
      <ul>
        {notes.map((note, i) => (
          <li key={i}>{note}</li>
        ))}
      </ul>
      <form action={add}>
        <label>
          A note <input name="text" required maxLength={200} />
        </label>
        <button>Add</button>
      </form>
      <p>
        <Link href="/">Home</Link>
      </p>
      <SignOut />
    </main>
  )
}
