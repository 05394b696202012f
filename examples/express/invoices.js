// writ/express: the routes of an application that can't wait for a token's
// expiry. What is revoked is refused within moments.
import { Router } from 'express'
import { createProtection } from 'writ/express'

export function invoices({ issuer, audience, maxStale }) {
  const { protect } = createProtection({
    issuer,
    audience,
    maxStale,
    // Below /invoices everything needs a token, but what is named.
    public: ['GET /invoices/terms'],
    // The caller learns less: the message says what was expected, or what is out of reach.
    onRefusal: ({ message }, { method, originalUrl }) => console.error(`refused ${method} ${originalUrl.split('?')[0]}: ${message}`),
  })
  const router = Router()
  router.use(protect())
  router.get('/terms', (req, res) => res.json({ days: 30 }))
  router.get('/', (req, res) => res.json({ invoices: [], for: req.access.subject }))
  router.delete('/:id', protect({ roles: ['admin'] }), (req, res) => res.json({ deleted: req.params.id, by: req.access.subject }))
  return router
}
