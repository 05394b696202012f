import { NextResponse } from 'next/server'
import { auth } from './lib/auth.js'

// Keeps the access token fresh, and leads /v1/login and its like to Writ. It
// decides nothing: see lib/notes.js for who may read what.
export const proxy = auth.proxy(NextResponse)

export const config = { matcher: '/((?!_next/static|_next/image|favicon.ico).*)' }
