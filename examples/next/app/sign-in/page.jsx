import { redirect } from 'next/navigation'
import { auth } from '../../lib/auth.js'
import { SignIn } from '../session.jsx'

export default async function Page({ searchParams }) {
  const { next } = await searchParams
  const target = ['/', '/notes'].includes(next) ? next : '/' // no way out of here for what a link says
  if (await auth.user()) redirect(target)
  return (
    <main>
      <h1>Sign in</h1>
      <SignIn next={target} />
    </main>
  )
}
