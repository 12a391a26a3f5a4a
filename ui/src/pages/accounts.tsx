import { useState } from 'preact/hooks'
import { answer, api, BACKGROUND, page, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Ask, permissions } from '../look/ask'
import { asked, Listing } from '../look/listing'
import { t } from '../look/preferences'
import { Shape } from '../look/state'
import type { Column } from '../look/table'
import { Id, Time } from '../look/values'
import '../charts/charts.css'

type Account = Schemas['Account']

/** Who is here, and with which roles? */
export default function Accounts() {
  const [turn, setTurn] = useState(0)
  const allowed = useFetched(() => permissions(['manage-accounts'], null, null), [])
  const again = () => setTurn(turn + 1)
  const columns: Column<Account>[] = [
    { head: t('accounts.name'), cell: (each) => <Id>{each.id}</Id> },
    { head: t('accounts.state'), cell: (each) => <AccountState account={each} /> },
    { head: t('accounts.roles'), wide: true, cell: (each) => <Roles account={each} /> },
    { head: t('accounts.email'), cell: (each) => <bdi>{each.email ?? '–'}</bdi> },
    { head: t('accounts.otp'), cell: (each) => (each.totp ? t('yes') : <span class="faint">–</span>) },
    { head: t('accounts.created'), cell: (each) => <Time at={each.created_at} /> },
    { head: t('accounts.lock'), cell: (each) => <Lock account={each} permission={allowed.data?.[0]} done={again} /> },
  ]
  return (
    <Listing
      key={turn} title={t('accounts.title')} lead={t('accounts.lead')} empty={t('accounts.empty')} command="falaj account invite NAME --email ADDRESS" columns={columns} filters={[]} id={(each) => each.id}
      load={(query) => page(api.GET('/api/v1/accounts', { params: { query: asked(query, []) }, ...BACKGROUND }))}
    />
  )
}

function AccountState({ account }: { account: Account }) {
  if (account.locked_at === null) return <span class="state ok"><Shape family="ok" /> <span>{t('accounts.open')}</span></span>
  return <span class="state off"><Shape family="off" /> <span>{t('accounts.locked')} <bdi class="faint">{account.locked_reason}</bdi></span></span>
}

function Roles({ account }: { account: Account }) {
  if (!account.roles?.length) return <span class="faint">–</span>
  return <>{account.roles.map((each, at) => <>{at > 0 && ', '}<Id>{[each.role, each.project, each.environment].filter(Boolean).join(' · ')}</Id></>)}</>
}

function Lock({ account, permission, done }: { account: Account; permission?: Schemas['PolicyAnswer']; done: () => void }) {
  const name = account.id.replace(/^\w+:/, '')
  const path = { params: { path: { name } } }
  const unlock = () => answer(api.POST('/api/v1/accounts/{name}/unlock', path)).then(done)
  if (account.locked_at !== null) return <button type="button" aria-disabled={permission?.allowed === false} onClick={() => permission?.allowed !== false && void unlock()}>{t('accounts.unlock')}</button>
  return <Ask label={t('accounts.lock')} permission={permission} typed={name} done={done} act={(reason) => answer(api.POST('/api/v1/accounts/{name}/lock', { ...path, body: { reason } }))} />
}
