import { httpSystem } from 'busbar'
import { env } from './env.ts'

export const erp = httpSystem({
  name: 'erp',
  baseUrl: env.erpUrl,
  limits: { concurrency: 20 }, // over all workers together
})
