import { ReactFlow } from '@xyflow/react'
import '@xyflow/react/dist/base.css'
import { useMemo } from 'react'
import { counted } from '../../parts/measure.tsx'
import type { Map_ } from './layout.ts'
import { layoutOf } from './layout.ts'
import { BarNode, FlowNode, rateWords, SourceNode, SystemNode } from './nodes.tsx'
import { MapTable } from './map-table.tsx'
import './map.css'

const kinds = { source: SourceNode, bar: BarNode, flow: FlowNode, system: SystemNode }

/** The map as a graph: sources, the bar, flows, and systems behind their breakers. */
export default function Graph({ map, chosen }: { readonly map: Map_; readonly chosen: string | undefined }) {
  const { nodes, edges, height } = useMemo(() => layoutOf(map, chosen), [map, chosen])
  const out = map.systems.filter(({ standing }) => standing !== 'connected').length
  const words = `${counted(map.sources.length, 'source')}, ${counted(map.flows.length, 'flow')}, ${counted(map.systems.length, 'system')}, ${out === 0 ? 'all connected' : `${out} not connected`}`
  return (
    <>
      <div className="scroll" tabIndex={0} role="region" aria-label={`Map: ${words}`}>
        <div className="map-canvas">
          <div className="map-heads dim small">
            <span>Sources</span>
            <span>Log, {rateWords(map.perMinute)}</span>
            <span>Flows</span>
            <span>Breakers</span>
            <span>Systems</span>
          </div>
          <div style={{ height: `${height}px` }}>
            <ReactFlow
              nodes={nodes}
              edges={edges}
              nodeTypes={kinds}
              nodesDraggable={false}
              nodesConnectable={false}
              nodesFocusable={false}
              edgesFocusable={false}
              elementsSelectable={false}
              panOnDrag={false}
              zoomOnScroll={false}
              zoomOnPinch={false}
              zoomOnDoubleClick={false}
              preventScrolling={false}
              proOptions={{ hideAttribution: true }}
              minZoom={1}
              maxZoom={1}
              defaultViewport={{ x: 0, y: 0, zoom: 1 }}
            />
          </div>
        </div>
      </div>
      <p className="map-legend small dim">
        <span>
          <i className="few" /> few
        </span>
        <span>
          <i className="many" /> many events a minute
        </span>
        <span>
          <i className="dead" /> wanted, does not pass
        </span>
        <span>
          <i className="idle" /> nothing to send
        </span>
        <span>
          Rates of the last {map.minutes === 5 ? '5 minutes' : map.minutes === 60 ? 'hour' : '24 hours'}
        </span>
      </p>
      <MapTable map={map} />
    </>
  )
}
