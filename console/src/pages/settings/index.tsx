import { PageHead } from '../../parts/page.tsx'
import { Alerts } from './alerts.tsx'

export function Page() {
  return (
    <>
      <PageHead title="Settings" />
      <Alerts />
    </>
  )
}
