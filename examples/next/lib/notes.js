// The data, and with it the decision who may have it. Whatever comes past the
// proxy, or through a page that forgot to ask, comes past here.
import { auth } from './auth.js'

// A database would be here. Next.js has modules several times over.
const notes = (globalThis.notes ??= new Map())

export async function readNotes() {
  const { subject } = await auth.require()
  return notes.get(subject) ?? []
}

/** @param {import('writ/next').Access} access */
export function addNote(access, text) {
  const own = notes.get(access.subject) ?? []
  notes.set(access.subject, [...own, String(text).slice(0, 200)].slice(-20))
}
