import { app } from './app.js'
import { settings } from './settings.js'

const set = settings(process.env)
const server = app(set).listen(set.port, 'localhost', (error) => {
  if (error?.code === 'EADDRINUSE') return fail(`port ${set.port} is taken by another program; choose one with PORT=3001`)
  if (error) throw error
  console.log(`listening on http://localhost:${server.address().port} for tokens of ${set.issuer}`)
})

function fail(message) {
  console.error(message)
  process.exitCode = 1
}
