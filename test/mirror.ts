/**
 * How to find the test of a file of lib, and the file of a test: they have the
 * same path and name (lib/x/y.ts, test/x/y.test.ts), unless they are named here.
 * mirror.test.ts sees to it that nothing is missing here, and nothing is left over.
 */

/** Files of lib without a test of their name, and the tests that prove them: they put parts together, or are nothing without Redis or a whole node. */
export const PROVEN_BY: Readonly<Record<string, readonly string[]>> = {
  'endpoint.ts': ['integration/endpoints.test.ts', 'fastify.test.ts'],
  'errors.ts': ['docs.test.ts'],
  'format.ts': ['upgrade/format-0.test.ts', 'upgrade/newer.test.ts'],
  'node.ts': ['integration/endpoints.test.ts', 'integration/drain.test.ts', 'fastify.test.ts'],
  'node-options.ts': ['integration/endpoints.test.ts'],
  'plugin.ts': ['fastify.test.ts', 'integration/two-nodes.test.ts', 'integration/affinity.test.ts'],

  'affinity/evidence/question.ts': ['affinity/evidence/owner-question.test.ts', 'affinity/evidence/answers.test.ts'],
  'affinity/forwarding/owner-pools.ts': ['affinity/forwarding/forwarder.test.ts'],

  'cli/arguments.ts': ['cli/run.test.ts'],
  'cli/cli.ts': ['cli/run.test.ts', 'traefik/command.test.ts'],
  'cli/connection.ts': ['cli/run.test.ts'],
  'cli/doctor/bodies.ts': ['cli/doctor/outside.test.ts'],
  'cli/doctor/check.ts': ['cli/doctor/examine.test.ts'],
  'cli/doctor/checks.ts': ['cli/doctor/healthy.test.ts', 'docs.test.ts'],
  'cli/doctor/cors.ts': ['cli/doctor/outside.test.ts'],
  'cli/doctor/endpoint.ts': ['cli/doctor/healthy.test.ts', 'cli/doctor/outside.test.ts'],
  'cli/doctor/internal.ts': ['cli/doctor/outside.test.ts'],
  'cli/doctor/nodes.ts': ['cli/doctor/inside.test.ts'],
  'cli/doctor/oauth.ts': ['cli/doctor/outside.test.ts'],
  'cli/doctor/redis.ts': ['cli/doctor/inside.test.ts'],
  'cli/doctor/report.ts': ['cli/doctor/examine.test.ts'],
  'cli/doctor/revisions.ts': ['cli/doctor/outside.test.ts'],
  'cli/doctor/session.ts': ['cli/doctor/outside.test.ts'],
  'cli/doctor/streams.ts': ['cli/doctor/outside.test.ts', 'cli/doctor/proxies.test.ts'],
  'cli/doctor/tls.ts': ['cli/doctor/outside.test.ts'],
  'cli/verbs/close.ts': ['cli/run.test.ts'],
  'cli/verbs/doctor.ts': ['cli/doctor/examine.test.ts', 'cli/doctor/healthy.test.ts'],
  'cli/verbs/drain.ts': ['cli/run.test.ts'],
  'cli/verbs/nodes.ts': ['cli/run.test.ts'],
  'cli/verbs/session.ts': ['cli/run.test.ts'],
  'cli/verbs/sessions.ts': ['cli/run.test.ts'],

  'directory/look.ts': ['cli/doctor/inside.test.ts'],
  'directory/find.ts': ['integration/log.test.ts', 'cli/run.test.ts'],
  'directory/trails.ts': ['directory/memory-directory.test.ts', 'redis/session-directory.test.ts'],

  'events/asked-for.ts': ['events/events.test.ts', 'integration/log.test.ts'],
  'events/calls-told.ts': ['events/events.test.ts', 'integration/log.test.ts'],
  'events/channels.ts': ['events/events.test.ts'],
  'events/flood.ts': ['events/events.test.ts'],
  'events/lives.ts': ['integration/log.test.ts'],

  'http/between-nodes.ts': ['affinity/evidence/owner-question.test.ts', 'upgrade/format-0.test.ts'],

  'metrics/client.ts': ['packed.test.ts'],
  'metrics/peer.ts': ['packed.test.ts'],

  'otel/api.ts': ['packed.test.ts'],

  'redis/client.ts': ['redis/link/connections.test.ts', 'redis/link/link.test.ts'],
  'redis/clearing/removals.ts': ['redis/former-owners.test.ts', 'redis/trouble.test.ts'],
  'redis/events/event-log.ts': ['redis/events/event-store.test.ts'],
  'redis/events/session-events.ts': ['redis/events/event-store.test.ts'],
  'redis/keeping/hand-over.ts': ['redis/keeping/record-keeper.test.ts', 'redis/lease-trouble.test.ts'],
  'redis/keeping/own-records.ts': ['redis/keeping/record-keeper.test.ts', 'redis/keeping/deletions.test.ts', 'redis/lease-trouble.test.ts'],
  'redis/keeping/writes.ts': ['redis/keeping/record-keeper.test.ts', 'redis/keeping/deletions.test.ts'],
  'redis/nodes/close-set.ts': ['redis/session-directory.test.ts', 'redis/keys-lost.test.ts'],
  'redis/nodes/heartbeat.ts': ['redis/trouble.test.ts', 'redis/lease-trouble.test.ts'],
  'redis/nodes/known-nodes.ts': ['redis/nodes/node-registry.test.ts', 'redis/session-directory.test.ts'],
  'redis/nodes/looks.ts': ['redis/observer.test.ts', 'cli/doctor/inside.test.ts'],
  'redis/nodes/older-nodes.ts': ['upgrade/format-0.test.ts', 'redis/nodes/node-registry.test.ts'],
  'redis/parts.ts': ['redis/session-directory.test.ts'],
  'redis/scripts/event-scripts.ts': ['redis/events/event-store.test.ts'],
  'redis/scripts/member-scripts.ts': ['redis/nodes/node-registry.test.ts', 'redis/session-directory.test.ts', 'redis/nodes/tag-table.test.ts', 'redis/link/unreadable.test.ts'],
  'redis/scripts/node-scripts.ts': ['redis/session-directory.test.ts', 'redis/keys-lost.test.ts', 'upgrade/format-0.test.ts'],
  'redis/scripts/record-scripts.ts': ['redis/session-directory.test.ts', 'redis/keeping/record-keeper.test.ts', 'redis/former-owners.test.ts'],
  'redis/scripts/trail-scripts.ts': ['redis/keeping/trails.test.ts'],
  'redis/scripts/sweep-scripts.ts': ['redis/clearing/sweeper.test.ts'],
  'redis/status.ts': ['redis/session-directory.test.ts', 'cli/run.test.ts'],
  'redis/upkeep.ts': ['redis/trouble.test.ts', 'redis/keys-lost.test.ts'],

  'version.ts': ['cli/run.test.ts', 'metrics/read.test.ts'],

  'routes/delete.ts': ['integration/two-nodes.test.ts', 'fastify.test.ts'],
  'routes/elsewhere.ts': ['integration/affinity.test.ts', 'routes/answers/failure.test.ts'],
  'routes/get.ts': ['integration/limits.test.ts', 'redis/events/event-store-clients.test.ts'],
  'routes/initialize.ts': ['integration/limits.test.ts', 'integration/affinity.test.ts'],
  'routes/internal.ts': ['integration/evidence.test.ts', 'integration/drain.test.ts'],
  'routes/post.ts': ['integration/limits.test.ts', 'integration/odd-requests.test.ts'],
  'routes/routes.ts': ['fastify.test.ts', 'integration/odd-requests.test.ts'],

  'sessions/arrival.ts': ['sessions/ownership.test.ts', 'integration/affinity.test.ts'],
  'sessions/departure.ts': ['sessions/ownership.test.ts', 'integration/two-nodes.test.ts'],
  'sessions/endpoint.ts': ['integration/endpoints.test.ts', 'sessions/ownership.test.ts'],
  'sessions/opening.ts': ['integration/limits.test.ts', 'integration/drain.test.ts'],
  'sessions/sessions.ts': ['sessions/ownership.test.ts', 'affinity/model.test.ts'],

  'shutdown/drain.ts': ['integration/drain.test.ts', 'affinity/model.test.ts'],

  'stateless/channel.ts': ['stateless/isolation.test.ts', 'stateless/call.test.ts'],
  'stateless/extra.ts': ['routes/stateless.test.ts'],
  'stateless/instance.ts': ['stateless/servers.test.ts', 'routes/stateless.test.ts'],
  'stateless/revision.ts': ['stateless/envelope.test.ts', 'stateless/call.test.ts'],

  'transport/calls/server-messages.ts': ['transport/calls/post-answer.test.ts', 'transport/calls/server-requests.test.ts', 'transport/streams/standalone-streams.test.ts'],
  'transport/streams/session-streams.ts': ['transport/streams/resumption.test.ts', 'transport/streams/session-events.test.ts'],
  'transport/streams/sse-stream.ts': ['transport/streams/resumption.test.ts', 'transport/streams/session-events.test.ts']
}

/** Tests beside those of single files, and what they are about. */
export const BEHAVIOURS: Readonly<Record<string, string>> = {
  'cluster.test.ts': 'the example of a cluster, as its reader runs it',
  'compose.test.ts': 'the example for Docker Compose, as far as it can be read',
  'docs.test.ts': 'the documents say what the code does',
  'fastify.test.ts': 'the application around the plugin, which keeps what is its own',
  'imports.test.ts': 'who may import whom, and how large a file may be',
  'mirror.test.ts': 'these two tables',
  'plugins.test.ts': 'the plugins that an application has besides',
  'packed.test.ts': 'the package as it is published',
  'types.test.ts': 'what the compiler takes of users, and what it refuses',

  'affinity/model.test.ts': 'three nodes in random trouble, under the eyes of a model',

  'cli/doctor/healthy.test.ts': 'a cluster that is well',
  'cli/doctor/outside.test.ts': 'each fault that clients meet, and the check that finds it',
  'cli/doctor/proxies.test.ts': 'real proxies, as documented and as they come',
  'cli/doctor/examine.test.ts': 'what the doctor is asked, and what it prints',

  'metrics/ops.test.ts': 'the dashboard and the alerts ask for what there is',

  'otel/cluster.test.ts': 'spans across nodes: calls that are passed on, sessions that move',

  'redis/acl.test.ts': 'what a node must be allowed to do',
  'redis/clients.test.ts': 'clients of ioredis, however they are set',
  'redis/cluster-down.test.ts': 'a Cluster that is down when a node starts',
  'redis/cluster-trouble.test.ts': 'masters of a Cluster that are lost, hang, or are replaced',
  'redis/events/event-store-clients.test.ts': 'a client that comes back for the rest of a stream, with the SDK\'s transport and with ours',
  'redis/former-owners.test.ts': 'a close reaches all who had the session',
  'redis/keys-lost.test.ts': 'each key that is gone, or overwritten',
  'redis/lease-trouble.test.ts': 'leases, epochs and giving up while Redis is in trouble',
  'redis/refused-writes.test.ts': 'a Redis that answers reads and refuses writes',
  'redis/sentinel.test.ts': 'a failover by Sentinel',
  'redis/slow.test.ts': 'a Redis that is far away, or busy',
  'redis/traffic.test.ts': 'what everything costs in commands',
  'redis/trouble.test.ts': 'a Redis that is away, hangs, or forgets',

  'stateless/isolation.test.ts': 'many clients of one server, all with the same ids',
  'stateless/rounds.test.ts': 'calls that ask their client, each round on another node',

  'traefik/cluster.test.ts': 'nodes behind Traefik, under load and in trouble',
  'traefik/eras.test.ts': 'both eras of two endpoints behind Traefik',
  'traefik/judge.test.ts': 'Traefik takes the configuration, and does what it says',
  'traefik/secure-nodes.test.ts': 'nodes with https behind Traefik',
  'traefik/static.test.ts': 'traefik.yml',

  'stateless/differential.test.ts': 'the same requests to createMcpHandler of the SDK and to ours',
  'transport/differential.test.ts': 'the same requests to the SDK\'s transport and to ours',
  'transport/sdk-servers.test.ts': 'servers of both lines of the SDK',
  'transport/streams/resumption.test.ts': 'streams that outlive their connection',
  'transport/streams/session-events.test.ts': 'streams whose store knows sessions'
}
