'use server'
import { revalidatePath } from 'next/cache'
import { auth } from '../../lib/auth.js'
import { addNote } from '../../lib/notes.js'

// An action is an endpoint that anybody can call: it asks for itself.
export const add = auth.action(async (access, form) => {
  addNote(access, form.get('text'))
  revalidatePath('/notes')
})
