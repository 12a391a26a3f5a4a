import { useLocation, useRoute } from 'preact-iso'
import { answer, api, BACKGROUND, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Ask, type Permission, permissions } from '../look/ask'
import { Command, Page, Panel } from '../look/page'
import { t, tOr } from '../look/preferences'
import { State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Facts, Id, ReleaseLink, Time, Who } from '../look/values'
import { withQuery } from '../model/query'

type Why = Schemas['Why']

/** What serves, why, since when? Now, or at the moment `at` of the address. */
export default function EndpointPage() {
  const { environment = '', model = '' } = useRoute().params
  const { query, path, route } = useLocation()
  const at = momentOf(query.at)
  const name = `${environment}/${model}`
  const fetched = useFetched(() => answer(api.GET('/api/v1/why/{environment}/{model}', { params: { path: { environment, model }, query: { at } }, ...BACKGROUND })), [name, at], (event) => event.subject === `endpoint/${name}`)
  const now = useFetched(() => served(environment, model), [name], (event) => event.subject === `endpoint/${name}`)
  return (
    <Page title={`${t('endpoint')} ${name}`} shown={<>{t('endpoint')} <Id>{name}</Id></>} lead={<>{t('endpoint.lead')} <a href={`/monitoring/${name}`}>{t('monitoring')}</a></>}
      actions={now.data && <RollBack name={name} found={now.data} again={now.again} />}>
      {at !== undefined && <p class="notice past" role="status">{t('at.shown')} <Time at={at} /> <a href={path}>{t('at.back')}</a></p>}
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>{t('at.choose')}<input type="datetime-local" value={query.at ?? ''} onChange={(event) => route(withQuery(path, {}, { at: event.currentTarget.value }))} /></label>
      </form>
      <Panel fetched={fetched}>{(stories) => stories.map((story) => <Story story={story} />)}</Panel>
      <Panel title={t('endpoint.now')} fetched={now}>
        {({ endpoints }) => endpoints.map((each) => (
          <div class="panel">
            <Facts facts={[[t('location'), <Id>{each.location}</Id>], [t('run.state'), <State word={each.state} />], [t('endpoint.replicas'), String(each.replicas_ready)], [t('endpoint.message'), each.message && <bdi>{each.message}</bdi>]]} />
            {each.url && <Command>{`curl ${each.url}/invocations -H 'content-type: application/json' -d '{"dataframe_records": [...]}'`}</Command>}
          </div>
        ))}
      </Panel>
    </Page>
  )
}

/** A moment as the address has it, in the reader's own clock; undefined for now. */
function momentOf(text: string | undefined): number | undefined {
  const moment = text ? new Date(text).getTime() / 1000 : NaN
  return Number.isFinite(moment) ? moment : undefined
}

async function served(environment: string, model: string): Promise<{ endpoints: Schemas['Endpoint'][]; may: Permission[] }> {
  const endpoints = await answer(api.GET('/api/v1/endpoints', { params: { query: { environment, model } }, ...BACKGROUND }))
  return { endpoints, may: await permissions(['rollback'], null, environment) }
}

function RollBack({ name, found, again }: { name: string; found: { endpoints: Schemas['Endpoint'][]; may: Permission[] }; again: () => void }) {
  const [environment = '', model = ''] = name.split('/')
  if (!found.endpoints.some((each) => each.previous !== null)) return null
  return <Ask label={t('endpoint.roll-back')} permission={found.may[0]} typed={name} done={again} act={(reason) => answer(api.POST('/api/v1/rollbacks', { body: { environment, model, reason } }))} />
}

function Story({ story }: { story: Why }) {
  const { served, release, run, change, rollout } = story
  const before: Column<Schemas['ServedTime']>[] = [
    { head: t('release'), cell: (each) => <ReleaseLink model={release.model} number={each.release} /> },
    { head: t('endpoint.from'), cell: (each) => <Time at={each.began_at} /> },
    { head: t('endpoint.until'), cell: (each) => <Time at={each.ended_at} /> },
    { head: t('change'), cell: (each) => each.change && <a href={`/changes/${each.change}`}><Id>{each.change}</Id></a> },
  ]
  return (
    <section class="panel">
      <p class="sentence">
        {t(served.ended_at ? 'why.served' : 'why.serves', { endpoint: story.endpoint, location: served.location, release: `${release.model}@${served.release}` })} <Time at={served.began_at} />
      </p>
      <ol class="story">
        <li><b>{t('why.trigger')}</b> <span>{tOr(`trigger.${run.trigger}`, run.trigger)} · <Id>{run.project}</Id> {run.ref && <Id>{run.ref}</Id>}</span></li>
        <li><b>{t('run.commit')}</b> <span><Id>{run.commit}</Id> {story.author && <bdi class="faint">{story.author}</bdi>}</span></li>
        <li><b>{t('run.title')}</b> <span><a href={`/runs/${run.id}`}><Id>{run.id}</Id></a> <State word={run.state} /> <Time at={run.ended_at} /></span></li>
        {story.data.map((each) => <li><b>{t('why.data')}</b> <span><Id>{each.name}</Id> <Id short={19}>{each.digest}</Id> <bdi class="faint">{each.source}</bdi></span></li>)}
        {((release.data.gates ?? []) as { text: string; reason: string }[]).map((gate) => <li><b>{t('gate')}</b> <span><Id>{gate.text}</Id> <bdi class="faint">{gate.reason}</bdi></span></li>)}
        <li><b>{t('release')}</b> <span><ReleaseLink model={release.model} number={release.number} /> <State word={release.state} /></span></li>
        {change && <ChangeOf label={t('change')} change={change} />}
        {story.restored && <ChangeOf label={t('why.restores')} change={story.restored} />}
        <li><b>{t('why.rollout')}</b> <span>{t(`strategy.${rollout.strategy}`)} · {t('why.live')} <Time at={rollout.live_at} /></span></li>
      </ol>
      {story.before.length > 0 && <h2>{t('why.before')}</h2>}
      {story.before.length > 0 && <Table caption={t('why.before')} columns={before} rows={story.before} id={(each) => `${each.location} ${each.began_at}`} />}
    </section>
  )
}

function ChangeOf({ label, change }: { label: string; change: Schemas['Change'] }) {
  return (
    <li>
      <b>{label}</b>
      <span>
        <a href={`/changes/${change.id}`}><Id>{change.id}</Id></a> <State word={change.state} /> · {t('why.requested-by')} <Who id={change.requester} />
      {change.approvals.map((each) => <> · {t('why.approved-by')} <Who id={each.approver} /> <Time at={each.approved_at} /></>)}
      </span>
    </li>
  )
}
