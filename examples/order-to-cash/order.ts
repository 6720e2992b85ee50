import { z } from 'zod'

/** An order as the shop tells it, whole in each message; money in cents. */
export const Order = z.object({
  number: z.string().min(1),
  revision: z.number().int().min(1),
  customer: z.string().min(1),
  currency: z.literal('EUR'),
  totalCents: z.number().int().min(0),
})

/** See the schema of the same name. */
export type Order = z.infer<typeof Order>
