import express from 'express'
import { bearer, role } from './bearer.js'
import { invoices } from './invoices.js'
import { passportBearer } from './passport.js'
import { refuse } from './refusal.js'
import { sharedSecret } from './shared.js'

export function app(settings) {
  const api = express()
  api.disable('x-powered-by')

  api.use('/invoices', invoices(settings))

  // Routes with another check than the rest stand before it.
  if (settings.stockSecrets.length > 0) {
    api.get('/stock', sharedSecret(settings), (req, res) => res.json({ stock: [], for: req.auth.sub }))
  }
  api.get('/reports', passportBearer(settings), (req, res) => res.json({ reports: [], for: req.user.sub }))

  // From here on everything needs a token, but what is named.
  api.use(bearer(settings).unless({ path: [{ url: '/healthz', methods: ['GET', 'HEAD'] }] }))
  api.get('/healthz', (req, res) => res.json({ ok: true }))
  api.get('/orders', (req, res) => res.json({ orders: [], for: req.auth.sub }))
  api.delete('/orders/:id', role('admin'), (req, res) => res.json({ deleted: req.params.id, by: req.auth.sub }))

  return api.use(refuse)
}
