import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { colour, onThemeChange } from '../shell/theme.ts'
import type { ChartMark, ChartProps, Series } from './chart.tsx'

/** The picture of a chart; colours are those of the tokens, read again when the theme changes. */
export default function ChartCanvas(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const latest = useRef(props)
  const shape = props.series.map(({ name, token, kind }) => `${name}${token}${kind}`).join()
  useEffect(() => {
    latest.current = props
    plot.current?.setData(dataOf(props))
  })
  useEffect(() => {
    const place = box.current
    if (!place) return
    const draw = () => {
      plot.current?.destroy()
      const width = place.clientWidth
      if (width > 0) plot.current = new uPlot(optionsOf(latest, width), dataOf(latest.current), place)
    }
    draw()
    const sizes = new ResizeObserver(() => {
      const { clientWidth: width } = place
      if (plot.current) plot.current.setSize({ width, height: latest.current.heightPx })
      else draw()
    })
    sizes.observe(place)
    const unhear = onThemeChange(draw)
    return () => {
      unhear()
      sizes.disconnect()
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [shape])
  return <div ref={box} aria-hidden="true" />
}

function dataOf({ at, series }: ChartProps): uPlot.AlignedData {
  return [
    at.map((moment) => Date.parse(moment) / 1_000),
    ...series.map(({ values, drawn }) => [...(drawn ?? values)]),
  ]
}

const font = '450 11px "Inter Variable", Inter, sans-serif'

function optionsOf(latest: { readonly current: ChartProps }, width: number): uPlot.Options {
  const { heightPx: height, series } = latest.current
  const ink = colour('--ink-3')
  const line = colour('--line')
  const axis = { stroke: ink, font, ticks: { show: false } }
  return {
    width,
    height,
    padding: [14, 20, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, range: (plot, min, max) => [min, max + stepOf(plot)] },
      y: { range: (_, _min, max) => [0, Math.max(1, max * 1.15)] },
    },
    axes: [
      { ...axis, grid: { show: false }, space: 90, size: 22, values: clockTimes },
      {
        ...axis,
        grid: { stroke: line, width: 1 },
        size: 40,
        space: 34,
        incrs: steps,
        values: (_, splits) => splits.map(whole),
      },
    ],
    series: [{}, ...series.map(seriesOf)],
    hooks: { draw: [(plot) => drawMarks(plot, latest.current.marks ?? [])] },
  }
}

/** Bars stand on the moment that their time begins: the last one needs room. */
function stepOf({ data: [at] }: uPlot): number {
  const [first = 0, second = first] = at
  return second - first
}

/** Whole numbers only: nothing is counted in halves. */
const steps = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((ten) => [ten, 2 * ten, 5 * ten])

function whole(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en-US') : ''
}

const hours = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })

function clockTimes(_plot: uPlot, splits: number[]): string[] {
  return splits.map((seconds) => hours.format(seconds * 1_000))
}

function seriesOf({ token, kind = 'line', filled = false }: Series): uPlot.Series {
  const stroke = colour(token)
  const bars = kind === 'bars' && uPlot.paths.bars?.({ size: [0.7, 8], align: 1 })
  return {
    stroke,
    width: kind === 'bars' ? 0 : 1.5,
    points: kind === 'bars' ? { show: false } : { show: true, size: 4, stroke, fill: stroke, filter: alone },
    spanGaps: false,
    ...(kind === 'dashed' && { dash: [4, 2.5] }),
    ...(bars && { paths: bars, fill: stroke }),
    ...(filled && { fill: `color-mix(in oklch, ${stroke} 6%, transparent)` }),
  }
}

/** Values without neighbours, which no line shows. */
function alone(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? []
  const isThere = (place: number) => values[place] !== null && values[place] !== undefined
  return [...values.keys()].filter((place) => isThere(place) && !isThere(place - 1) && !isThere(place + 1))
}

/** A dashed line at each moment; its word beside it, unless it would lie over the one before. */
function drawMarks(plot: uPlot, marks: readonly ChartMark[]): void {
  const { ctx, bbox } = plot
  const scale = devicePixelRatio
  const tone = colour('--park')
  let free = Number.NEGATIVE_INFINITY
  ctx.save()
  ctx.strokeStyle = ctx.fillStyle = tone
  ctx.font = `580 ${11 * scale}px "Inter Variable", Inter, sans-serif`
  ctx.textBaseline = 'top'
  ctx.textAlign = 'left'
  ctx.setLineDash([3 * scale, 3 * scale])
  for (const { at, text } of marks) {
    const x = plot.valToPos(Date.parse(at) / 1_000, 'x', true)
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    const { width } = ctx.measureText(text)
    const fitsRight = x + width + 12 * scale < bbox.left + bbox.width
    const from = fitsRight ? x + 6 * scale : x - width - 6 * scale
    if (from < free) continue
    ctx.fillText(text, from, bbox.top - 10 * scale)
    free = from + width + 10 * scale
  }
  ctx.restore()
}
