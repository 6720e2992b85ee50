import { State } from '../../parts/state.tsx'
import type { Map_ } from './layout.ts'
import { rateWords } from './nodes.tsx'

/** The same as a table: which flow calls which system, how often, and whether it passes. */
export function MapTable({ map }: { readonly map: Map_ }) {
  return (
    <details className="as-table">
      <summary>As a table</summary>
      <div className="scroll" tabIndex={0} role="region" aria-label="Flows and the systems that they call">
        <table className="table dense">
          <thead>
            <tr>
              <th>Flow</th>
              <th>System</th>
              <th className="num">Attempts</th>
              <th className="num">Failed</th>
              <th>State</th>
            </tr>
          </thead>
          <tbody>
            {map.calls.map(({ flow, system, perMinute, failedPerMinute, standing }) => (
              <tr key={`${flow} ${system}`}>
                <td>{flow}</td>
                <td>{system}</td>
                <td className="num">{rateWords(perMinute)}</td>
                <td className="num">{failedPerMinute === 0 ? 'none' : rateWords(failedPerMinute)}</td>
                <td>
                  <State kind="system" of={standing} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}
