import type { Schemas } from '../api/client'
import { type Gate, gatesOf } from '../model/release'
import { t } from './preferences'
import { Shape } from './state'
import { type Column, Table } from './table'
import { Id, Num } from './values'

type Release = Schemas['Release']

/** The gates of a release with value, limit and interval, beside those of the one that serves. */
export function GateTable({ release, before, run }: { release: Release; before?: Release | null; run?: Schemas['Run'] }) {
  const gates = gatesOf(release, run)
  const earlier = new Map(before ? gatesOf(before).map((gate) => [gate.text, gate]) : [])
  const columns: Column<Gate>[] = [
    { head: t('gate'), cell: (gate) => <span class="state ok"><Shape family="ok" /> <Id>{gate.text}</Id></span> },
    { head: t('gate.value'), end: true, cell: (gate) => <Num value={gate.value} /> },
    { head: t('gate.limit'), end: true, cell: (gate) => <Num value={gate.limit} /> },
    { head: t('gate.interval'), cell: (gate) => gate.interval && <bdi dir="ltr"><Num value={gate.interval[0]} /> … <Num value={gate.interval[1]} /></bdi> },
    { head: t('gate.rows'), end: true, cell: (gate) => <Num value={gate.rows} digits={9} /> },
    ...(before ? [{ head: `@${before.number}`, end: true, cell: (gate: Gate) => <Num value={earlier.get(gate.text)?.value} /> }] : []),
    { head: t('gate.reason'), wide: true, cell: (gate) => <bdi class="faint">{gate.slice && !gate.reason.startsWith(gate.slice) ? `${gate.slice}: ${gate.reason}` : gate.reason}</bdi> },
  ]
  if (!gates.length) return <p class="faint">{t('gate.none')}</p>
  return <Table caption={t('gates')} columns={columns} rows={gates} id={(gate) => gate.text} />
}
