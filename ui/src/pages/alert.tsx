import { useRoute } from 'preact-iso'
import { answer, api, BACKGROUND, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Ask, permissions } from '../look/ask'
import { Page, Panel } from '../look/page'
import { t, tOr } from '../look/preferences'
import { State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Facts, Id, Num, ReleaseLink, Time, Who } from '../look/values'
import { modelOf } from '../model/ladder'

type Alert = Schemas['Alert']
const DAY = 86_400

/** What is wrong, what was done? */
export default function AlertPage() {
  const { id = '' } = useRoute().params
  const fetched = useFetched(() => answer(api.GET('/api/v1/alerts/{alert_id}', { params: { path: { alert_id: id } }, ...BACKGROUND })), [id], (event) => event.subject === `alert/${id}`)
  const alert = fetched.data
  return (
    <Page title={`${t('alert')} ${id}`} shown={<>{t('alert')} <Id>{id}</Id></>} lead={alert && <><State word={alert.state} /> · {t(`severity.${alert.severity}`)} · <Time at={alert.opened_at} /></>}
      actions={alert && alert.state !== 'resolved' && <Actions alert={alert} again={fetched.again} />}>
      <Panel fetched={fetched}>
        {(alert) => (
          <>
            <p class="sentence">{t('alert.sentence', { cause: tOr(`cause.${alert.cause}`, alert.cause), endpoint: alert.endpoint, release: `${modelOf(alert.endpoint)}@${alert.release}` })}</p>
            <ul class="notes">{alert.reasons.map((reason) => <li dir="auto">{reason}</li>)}</ul>
            <Facts facts={[
              [t('endpoint'), <><a href={`/endpoints/${alert.endpoint}`}><Id>{alert.endpoint}</Id></a> · <a href={`/monitoring/${alert.endpoint}`}>{t('monitoring')}</a></>],
              [t('release'), <ReleaseLink model={modelOf(alert.endpoint)} number={alert.release} />],
              [t('location'), <Id>{alert.location}</Id>],
              [t('alert.action'), alert.action && <bdi>{alert.action}</bdi>],
              [t('alert.fired'), alert.fired.length > 0 && <bdi>{alert.fired.join(', ')}</bdi>],
              [t('alert.resolved'), alert.resolved_at && <Time at={alert.resolved_at} />],
              [t('alert.muted'), alert.muted_until && <Time at={alert.muted_until} />],
            ]} />
            <Features alert={alert} />
            <Notes alert={alert} />
          </>
        )}
      </Panel>
    </Page>
  )
}

/** What may be done about it; who may not sees why. */
function Actions({ alert, again }: { alert: Alert; again: () => void }) {
  const [environment = ''] = alert.endpoint.split('/')
  const may = useFetched(() => permissions(['operate'], alert.project, environment), [alert.project, environment])
  const path = { params: { path: { alert_id: alert.id } } }
  const ask = { permission: may.data?.[0], done: again }
  return (
    <>
      <Ask {...ask} label={t('alert.acknowledge')} act={(reason) => answer(api.POST('/api/v1/alerts/{alert_id}/acknowledge', { ...path, body: { reason } }))} />
      <Ask {...ask} label={t('alert.mute')} act={(reason) => answer(api.POST('/api/v1/alerts/{alert_id}/mute', { ...path, body: { reason, for_s: DAY } }))} />
      <Ask {...ask} label={t('alert.resolve')} act={(reason) => answer(api.POST('/api/v1/alerts/{alert_id}/resolve', { ...path, body: { reason } }))} />
    </>
  )
}

function Features({ alert }: { alert: Alert }) {
  const rows = Object.entries(alert.features).sort(([, one], [, other]) => other - one)
  const columns: Column<[string, number]>[] = [
    { head: t('alert.feature'), cell: ([name]) => <Id>{name}</Id> },
    { head: t('alert.evidence'), end: true, cell: ([, value]) => <Num value={value} digits={3} /> },
  ]
  return rows.length ? <Table caption={t('alert.features')} columns={columns} rows={rows} id={([name]) => name} /> : null
}

function Notes({ alert }: { alert: Alert }) {
  if (!alert.notes?.length) return null
  return (
    <section class="panel">
      <h2>{t('alert.notes')}</h2>
      <ol class="story">{alert.notes.map((note) => <li><b><Who id={note.by} /></b> <span><Time at={note.at} /> · <Id>{note.kind}</Id> <bdi>{note.text}</bdi></span></li>)}</ol>
    </section>
  )
}
