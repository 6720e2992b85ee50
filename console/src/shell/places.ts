import {
  Activity,
  BookOpen,
  Box,
  Gauge,
  History,
  List,
  OctagonAlert,
  PlugZap,
  Settings,
  ShieldCheck,
  Waypoints,
} from 'lucide-react'
import type { LucideIcon } from 'lucide-react'

/** A place of the side bar. */
export interface Place {
  readonly to: string
  readonly name: string
  readonly icon: LucideIcon
  /** After `G`. */
  readonly letter: string
}

export const places: readonly (readonly Place[])[] = [
  [
    { to: '/', name: 'Now', icon: Activity, letter: 'n' },
    { to: '/problems', name: 'Problems', icon: OctagonAlert, letter: 'p' },
    { to: '/objects', name: 'Objects', icon: Box, letter: 'o' },
    { to: '/map', name: 'Map', icon: Waypoints, letter: 'm' },
    { to: '/events', name: 'Events', icon: List, letter: 'e' },
    { to: '/systems', name: 'Systems', icon: PlugZap, letter: 's' },
  ],
  [
    { to: '/replays', name: 'Replays', icon: History, letter: 'r' },
    { to: '/operations', name: 'Engine', icon: Gauge, letter: 'w' },
    { to: '/audit', name: 'Audit', icon: ShieldCheck, letter: 'a' },
    { to: '/settings', name: 'Settings', icon: Settings, letter: ',' },
    { to: '/docs', name: 'Docs', icon: BookOpen, letter: 'd' },
  ],
]
