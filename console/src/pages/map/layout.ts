import type { Edge, Node } from '@xyflow/react'
import type { Answer } from '../../api.ts'

export type Map_ = Answer<'map'>
export type MapSource = Map_['sources'][number]
export type MapFlow = Map_['flows'][number]
export type MapSystem = Map_['systems'][number]

/** Sizes and columns of the drawing, in pixels. */
const box = { source: 52, flow: 52, system: 64, gap: 24 }
const columns = { source: 0, bar: 250, flow: 350, system: 860 }
const width = { source: 190, flow: 240, system: 250 }

/** As thick as much passes: 1 to 5 pixels, by the order of magnitude. */
export function thickness(perMinute: number): number {
  return perMinute <= 0 ? 1 : Math.min(5, 1 + Math.log10(1 + perMinute) * 1.6)
}

/** Where everything stands, and what is connected with what. Pure. */
export function layoutOf(
  map: Map_,
  chosen: string | undefined,
): { nodes: Node[]; edges: Edge[]; height: number } {
  const heights = [
    map.sources.length * (box.source + box.gap),
    map.flows.length * (box.flow + box.gap),
    map.systems.length * (box.system + box.gap),
  ]
  const height = Math.max(220, ...heights)
  const place = (count: number, index: number, size: number) => (height / count) * (index + 0.5) - size / 2
  const fixed = { draggable: false, connectable: false, selectable: false }
  const nodes: Node[] = [
    ...map.sources.map((source, index) => ({
      ...fixed,
      id: `source:${source.source}`,
      type: 'source',
      position: { x: columns.source, y: place(map.sources.length, index, box.source) },
      width: width.source,
      height: box.source,
      data: { source },
    })),
    {
      ...fixed,
      id: 'bar',
      type: 'bar',
      position: { x: columns.bar, y: 0 },
      width: 10,
      height,
      data: { sources: map.sources.length, flows: map.flows.length, height },
      focusable: false,
    },
    ...map.flows.map((flow, index) => ({
      ...fixed,
      id: `flow:${flow.name}`,
      type: 'flow',
      position: { x: columns.flow, y: place(map.flows.length, index, box.flow) },
      width: width.flow,
      height: box.flow,
      data: { flow, chosen: flow.name === chosen },
    })),
    ...map.systems.map((system, index) => ({
      ...fixed,
      id: `system:${system.name}`,
      type: 'system',
      position: { x: columns.system, y: place(map.systems.length, index, box.system) },
      width: width.system,
      height: box.system,
      data: { system },
    })),
  ]
  return { nodes, edges: edgesOf(map, chosen), height }
}

function edgesOf(map: Map_, chosen: string | undefined): Edge[] {
  const line = (perMinute: number, className: string): Partial<Edge> => ({
    className,
    style: { strokeWidth: thickness(perMinute) },
    focusable: false,
  })
  const flowing = (perMinute: number) => (perMinute > 0 ? 'flowing' : 'idle')
  return [
    ...map.sources.map(({ source, perMinute }, index) => ({
      ...line(perMinute, flowing(perMinute)),
      id: `in:${source}`,
      source: `source:${source}`,
      target: 'bar',
      targetHandle: `in${index}`,
      type: 'straight',
    })),
    ...map.flows.map(({ name, perMinute }, index) => ({
      ...line(perMinute, `${flowing(perMinute)}${name === chosen ? ' chosen' : ''}`),
      id: `out:${name}`,
      source: 'bar',
      sourceHandle: `out${index}`,
      target: `flow:${name}`,
      type: 'straight',
    })),
    ...map.calls.map(({ flow, system, perMinute, standing }) => ({
      ...line(
        perMinute,
        `${standing === 'cut-off' || standing === 'trying' ? 'dead' : flowing(perMinute)}${flow === chosen ? ' chosen' : ''}`,
      ),
      id: `call:${flow}:${system}`,
      source: `flow:${flow}`,
      target: `system:${system}`,
    })),
  ]
}
