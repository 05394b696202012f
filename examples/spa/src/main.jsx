import { createRoot } from 'react-dom/client'
import { createWrit } from 'writ'
import { WritProvider, useUser, useWrit } from 'writ/react'
import './style.css'
import { Tokens } from './tokens.jsx'

// The cookies are HttpOnly: this page can use them, and no script can read them.
const writ = createWrit({ issuer: location.origin })

function App() {
  const user = useUser()
  if (user === undefined) return <p id="who">One moment …</p> // a reload: the session is being restored
  return user ? <Home user={user} /> : <SignIn />
}

function Home({ user }) {
  const writ = useWrit()
  return (
    <main>
      <h1>Hello</h1>
      <p id="who">Signed in as {user.email}</p>
      <p>Another tab of this page knows it without asking the server, and a sign-out ends all of them at once.</p>
      <button onClick={() => writ.signOut().catch(show)}>Sign out</button>{' '}
      <button onClick={() => writ.signOutEverywhere().catch(show)}>Sign out on every device</button>
      <Tokens />
    </main>
  )
}

function SignIn() {
  const writ = useWrit()
  async function submit(event) {
    event.preventDefault()
    const form = event.currentTarget
    const { email, password } = Object.fromEntries(new FormData(form))
    await writ.signIn({ email, password }).catch((error) => {
      form.querySelector('[role=alert]').textContent = error.code === 'invalid_credentials' ? 'Wrong e-mail or password.' : `That didn't work: ${error.message}`
    })
  }
  return (
    <main>
      <h1 id="who">Sign in</h1>
      <form onSubmit={submit}>
        <label>
          E-mail <input name="email" type="email" autoComplete="username" required />
        </label>
        <label>
          Password <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <p role="alert" />
        <button>Sign in</button>
      </form>
    </main>
  )
}

const show = (error) => alert(`The server couldn't be told: ${error.code}`)

createRoot(document.getElementById('root')).render(
  <WritProvider writ={writ}>
    <App />
  </WritProvider>,
)
