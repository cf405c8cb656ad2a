// Adobe's own client against an origin: `node client.cjs SCENARIO URL [JSON]`. Prints one JSON object, what each call gave:
// {"value": …} or {"error": {"code", "status", "message"}}. What is right is decided by tests/it/origin/node_client.rs.
'use strict'

const { AEMHeadless } = require('@adobe/aem-headless-client-nodejs')

async function told (call) {
  try {
    return { value: await call }
  } catch (error) {
    return { error: { code: error.code, status: error.sdkDetails?.status, message: error.message } }
  }
}

async function pages (generator) {
  const all = []
  for await (const page of generator) {
    all.push(page)
    if (all.length > 100) throw new Error('the pages do not end')
  }
  return all
}

const scenarios = {
  // Only what is sent counts.
  async paths (client, sets) {
    for (const variables of sets) await told(client.runPersistedQuery('acme/stories', variables))
    return {}
  },

  async queries (client) {
    const query = 'query($title: String) { noteList(filter: {title: {_expressions: [{value: $title}]}}) { items { title } } }'
    return {
      text: await told(client.runQuery('{ noteList(sort: "rank", limit: 2) { items { title rank } } }')),
      body: await told(client.runQuery({ query, variables: { title: 'a/b/c' } })),
      wrong: await told(client.runQuery('{ noteList { items { titel } } }'))
    }
  },

  async persisted (client) {
    const query = '{ noteList(limit: 1, sort: "rank") { items { title } } }'
    return {
      create: await told(client.persistQuery(query, 'global/first')),
      again: await told(client.persistQuery(query, 'global/first')),
      elsewhere: await told(client.persistQuery(query, 'nowhere/first')),
      run: await told(client.runPersistedQuery('global/first')),
      unknown: await told(client.runPersistedQuery('global/none')),
      list: await told(client.listPersistedQueries())
    }
  },

  // Each title by GET and by POST: what comes back is what the origin understood.
  async variables (client, { titles, filter }) {
    const run = async (name, variables) => ({
      get: await told(client.runPersistedQuery(name, variables)),
      post: await told(client.runPersistedQuery(name, variables, { method: 'POST' }))
    })
    const results = { titles: [] }
    for (const title of titles) results.titles.push(await run('global/by-title', { title, max: 1000 }))
    results.object = await run('global/shaped', { filter, limit: 2, sort: 'rank' })
    results.list = await run('global/shaped', { tags: ['two words', 'a/b=c'], limit: 10, op: 'CONTAINS', short: false })
    results.null = await run('global/shaped', { filter: null, limit: null, sort: 'rank DESC', tags: null, op: 'CONTAINS' })
    return results
  },

  async pages (client) {
    return {
      cursor: await told(pages(client.runPaginatedQuery('note', '{ rank }', { pageSize: 5 }, { sort: 'rank' }))),
      all: await told(pages(client.runPaginatedQuery('note', '{ rank }', {}, { sort: 'rank', first: 50 }))),
      offset: await told(pages(client.runPaginatedQuery('note', '{ rank }', { useLimitOffset: true }, { sort: 'rank', limit: 50 }))),
      path: await told(pages(client.runPaginatedQuery('note', '{ rank }', {}, { _path: '/content/dam/notes/n3' })))
    }
  },

  // Retries wait as briefly as they can.
  async retries (client, { calls, options }) {
    const results = []
    for (let call = 0; call < calls; call++) {
      results.push(await told(client.runPersistedQuery('global/by-title', { title: 'true' }, options, { initialDelayInMillis: 1 })))
    }
    return results
  },

  async publish (client) {
    return {
      direct: await told(client.runQuery('{ noteList { items { title } } }')),
      persist: await told(client.persistQuery('{ noteList { items { title } } }', 'global/first')),
      list: await told(client.listPersistedQueries()),
      get: await told(client.runPersistedQuery('global/by-title', { title: 'true', max: 5 })),
      post: await told(client.runPersistedQuery('global/by-title', { title: 'true', max: 5 }, { method: 'POST' }))
    }
  }
}

const [scenario, url, given] = process.argv.slice(2)
const auth = process.env.ORIGIN_TOKEN
scenarios[scenario](new AEMHeadless({ serviceURL: url, ...auth ? { auth } : {} }), given && JSON.parse(given))
  .then(results => process.stdout.write(JSON.stringify(results)))
