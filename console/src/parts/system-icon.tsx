import {
  Calculator,
  Contact,
  CreditCard,
  Factory,
  Package,
  PlugZap,
  Radio,
  ShoppingCart,
  Truck,
  Warehouse,
} from 'lucide-react'
import type { LucideIcon } from 'lucide-react'

const icons: readonly (readonly [RegExp, LucideIcon])[] = [
  [/shop|store|cart|portal/i, ShoppingCart],
  [/crm|customer|contact/i, Contact],
  [/erp|production|mes/i, Factory],
  [/wms|warehouse|depot|stock/i, Warehouse],
  [/account|ledger|invoice|tax/i, Calculator],
  [/pay|bank/i, CreditCard],
  [/logistic|ship|carrier|transport/i, Truck],
  [/product|pim|article/i, Package],
  [/^urn:busbar:/, Radio],
]

/** A picture of what a system is for, as far as its name tells; it says nothing that the name does not. */
export function SystemIcon({ name }: { readonly name: string }) {
  const Icon = icons.find(([pattern]) => pattern.test(name))?.[1] ?? PlugZap
  return <Icon className="i" aria-hidden="true" />
}
