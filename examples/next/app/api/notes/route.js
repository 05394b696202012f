import { auth } from '../../../lib/auth.js'
import { addNote, readNotes } from '../../../lib/notes.js'

export const GET = auth.handler(async (request, access) => Response.json({ for: access.subject, notes: await readNotes() }))

export const POST = auth.handler(async (request, access) => {
  addNote(access, (await request.json()).text)
  return Response.json({ for: access.subject }, { status: 201 })
})
