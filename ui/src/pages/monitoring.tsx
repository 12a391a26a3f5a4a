import { useLocation, useRoute } from 'preact-iso'
import { answer, api, BACKGROUND, page, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { HeatLegend, HeatMap, LossChart } from '../charts/heat-map'
import { Empty, Page, Panel } from '../look/page'
import { t, tOr } from '../look/preferences'
import { State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Id, Num, ReleaseLink, Time } from '../look/values'
import { featuresOf, type FeatureResult, heatRows, type Sort } from '../charts/heat-cells'
import { withQuery } from '../model/query'
import '../charts/charts.css'

type Window = Schemas['DriftWindow']
type Loss = Schemas['PerformanceWindow']
type Shown = { windows: Window[]; losses: Loss[]; alerts: Schemas['Alert'][] }

const COUNT = 40
const SORTS = ['evidence', 'effect', 'name'] as const

/** What moved, since when, does it hurt? */
export default function Monitoring() {
  const { environment = '', model = '' } = useRoute().params
  const { query } = useLocation()
  const endpoint = `${environment}/${model}`
  const fetched = useFetched(() => load(environment, model, query.before), [endpoint, query.before],
    (event) => event.subject.startsWith('alert/') || (event.subject === `endpoint/${endpoint}`))
  return (
    <Page title={`${t('monitoring.title')} ${endpoint}`} shown={<>{t('monitoring.title')} <Id>{endpoint}</Id></>} lead={<a href={`/endpoints/${endpoint}`}>{t('monitoring.why')}</a>}>
      <Panel fetched={fetched}>
        {(shown) => (shown.windows.length ? <Drift {...shown} model={model} /> : <Empty>{t('monitoring.empty')}</Empty>)}
      </Panel>
    </Page>
  )
}

async function load(environment: string, model: string, before: string | undefined): Promise<Shown> {
  const query = { environment, windows: COUNT, ...(before ? { before: Number(before) } : {}) }
  const of = { params: { path: { model }, query }, ...BACKGROUND }
  const [windows, losses, alerts] = await Promise.all([
    answer(api.GET('/api/v1/models/{model}/drift', of)),
    answer(api.GET('/api/v1/models/{model}/performance', of)),
    page(api.GET('/api/v1/alerts', { params: { query: { environment, model, limit: 50 } }, ...BACKGROUND })),
  ])
  return { windows, losses, alerts: alerts.rows }
}

function Drift({ windows, losses, alerts, model }: Shown & { model: string }) {
  const { path, query, route } = useLocation()
  const locations = [...new Set(windows.map((window) => window.location))]
  const location = locations.includes(query.location ?? '') ? query.location : windows.at(-1)?.location
  const mine = windows.filter((window) => window.location === location)
  const newest = mine.at(-1)
  const chosen = mine.find((window) => String(window.number) === query.window) ?? newest
  const sort = SORTS.find((each) => each === query.sort) ?? 'evidence'
  if (!chosen || !newest) return null
  const raised = alerts.filter((alert) => alert.location === location)
  const choose = (number: number) => route(withQuery(path, query, { window: String(number) }))
  return (
    <>
      <Sentence window={newest} loss={losses.find((each) => each.location === location && each.number === newest.number && each.release === newest.release)} />
      <form class="where" onSubmit={(event) => event.preventDefault()}>
        {locations.length > 1 && <Choice name="location" value={location ?? ''} options={locations.map((each) => [each, each])} />}
        <Choice name="sort" value={sort} options={SORTS.map((each) => [each, t(`monitoring.sort.${each}`)])} />
        <nav class="pages" aria-label={t('monitoring.windows')}>
          {windows.length === COUNT && <a href={withQuery(path, query, { before: String(windows[0]?.end ?? 0), window: '' })}>{t('monitoring.earlier')}</a>}
          {query.before && <a href={withQuery(path, query, { before: '', window: '' })}>{t('monitoring.newest')}</a>}
        </nav>
      </form>
      <div class="picture" role="group" aria-label={t('heat.label')} dir="ltr">
        <HeatMap windows={mine} rows={heatRows(mine, sort)} alerts={raised.map((alert) => alert.opened_at)} chosen={chosen.number} choose={choose} />
        <LossChart windows={mine} losses={losses} />
      </div>
      <HeatLegend />
      {raised.length > 0 && <Alerts alerts={raised} />}
      <section class="panel features">
        <h2>{t('monitoring.window', { number: chosen.number })}</h2>
        <p class="faint"><Time at={chosen.start} /> – <Time at={chosen.end} /> · <ReleaseLink model={model} number={chosen.release} /> · {t('monitoring.rows', { n: chosen.rows })}</p>
        <Features window={chosen} sort={sort} />
      </section>
      <section class="panel losses">
        <h2>{t('monitoring.losses')}</h2>
        <Losses losses={losses.filter((each) => each.location === location)} chosen={chosen} />
      </section>
    </>
  )
}

/** What the newest window says, in one sentence, and what triage makes of it. */
function Sentence({ window, loss }: { window: Window; loss: Loss | undefined }) {
  const drifting = featuresOf(window).filter((each) => each.drifting).map((each) => each.feature)
  const verdict = (window.report as { verdict?: { cause: string; reasons: string[] } }).verdict
  return (
    <div class={`why ${drifting.length ? '' : 'ok'}`}>
      <p class="sentence">
        {drifting.length ? t('monitoring.drifting', { n: drifting.length, features: drifting.join(', ') }) : t('monitoring.steady')}{' '}
        {loss?.value != null && loss.expected != null && t('monitoring.loss', { metric: loss.metric, value: loss.value, expected: loss.expected })}
      </p>
      {verdict && <p><b>{tOr(`cause.${verdict.cause}`, verdict.cause)}</b> <bdi>{verdict.reasons.join('; ')}</bdi></p>}
    </div>
  )
}

function Choice({ name, value, options }: { name: string; value: string; options: (readonly [string, string])[] }) {
  const { path, query, route } = useLocation()
  return (
    <label>
      {t(name)}
      <select name={name} value={value} onChange={(event) => route(withQuery(path, query, { [name]: event.currentTarget.value }))}>
        {options.map(([each, text]) => <option value={each}>{text}</option>)}
      </select>
    </label>
  )
}

function Alerts({ alerts }: { alerts: Schemas['Alert'][] }) {
  return (
    <ul class="plain">
      {alerts.slice(0, 5).map((alert) => <li><State word={alert.state} /> <a href={`/alerts/${alert.id}`}><Id>{alert.id}</Id></a> {tOr(`cause.${alert.cause}`, alert.cause)} · <Time at={alert.opened_at} /></li>)}
    </ul>
  )
}

function Features({ window, sort }: { window: Window; sort: Sort }) {
  const rows = heatRows([window], sort).flatMap((row) => row.cells[0] ?? [])
  const columns: Column<FeatureResult>[] = [
    { head: t('alert.feature'), cell: (each) => <Id>{each.feature}</Id> },
    { head: t('run.state'), cell: (each) => <State word={each.drifting ? 'drifting' : each.verdict === 'not_tested' ? 'not_tested' : 'ok'} /> },
    { head: t('heat.discovery'), cell: (each) => (each.verdict === 'drifted' ? t('yes') : <span class="faint">–</span>) },
    { head: t('heat.effect'), end: true, cell: (each) => <Num value={each.verdict === 'not_tested' ? null : each.effect} digits={3} /> },
    { head: t('alert.evidence'), end: true, cell: (each) => <Num value={each.evidence} digits={3} /> },
    { head: t('monitoring.moved'), wide: true, cell: (each) => <bdi class="faint">{each.verdict === 'not_tested' ? each.reason : each.leading}</bdi> },
  ]
  return <Table caption={t('monitoring.window', { number: window.number })} columns={columns} rows={rows} id={(each) => each.feature} />
}

function Losses({ losses, chosen }: { losses: Loss[]; chosen: Window }) {
  const { path, query } = useLocation()
  const columns: Column<Loss>[] = [
    { head: t('monitoring.number'), end: true, cell: (each) => <a href={withQuery(path, query, { window: String(each.number) })}><Id>{String(each.number)}</Id></a> },
    { head: t('monitoring.end'), cell: (each) => <Time at={each.end} /> },
    { head: t('monitoring.value'), end: true, cell: (each) => <Num value={each.value} /> },
    { head: t('monitoring.interval'), cell: (each) => (each.low == null ? <span class="faint">–</span> : <bdi dir="ltr"><Num value={each.low} /> – <Num value={each.high} /></bdi>) },
    { head: t('monitoring.expected'), end: true, cell: (each) => <Num value={each.expected} /> },
    { head: t('monitoring.count'), end: true, cell: (each) => <Num value={each.rows} digits={8} /> },
    { head: t('monitoring.labelled'), end: true, cell: (each) => <Num value={each.labelled} digits={8} /> },
    { head: t('monitoring.method'), wide: true, cell: (each) => <><Id>{each.method}</Id> <bdi class="faint">{each.reason}</bdi></> },
  ]
  const id = (each: { release: number; number: number }) => `${each.release} ${each.number}`
  return <Table caption={t('monitoring.losses')} columns={columns} rows={losses.toReversed()} id={id} current={id(chosen)} />
}
