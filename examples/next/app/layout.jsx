import { Session } from './session.jsx'
import { auth } from '../lib/auth.js'
import './style.css'

export const metadata = { title: 'Notes' }

export default async function Layout({ children }) {
  // Where nobody can know, the page itself says so: see error.jsx.
  const server = await auth.user().then((access) => access?.subject ?? null, () => undefined)
  return (
    <html lang="en">
      <body>
        <Session server={server}>{children}</Session>
      </body>
    </html>
  )
}
