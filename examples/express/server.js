import { app } from './app.js'
import { settings } from './settings.js'

const set = settings(process.env)
const server = app(set).listen(set.port, 'localhost', (error) => {
  if (error) throw error
  console.log(`listening on http://localhost:${server.address().port} for tokens of ${set.issuer}`)
})
