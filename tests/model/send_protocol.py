#!/usr/bin/env python3
"""Randomised model of the send, push and subscribe protocol (ARCHITECTURE.md) for one conversation.

Postgres is the log: `commit` is one call under the row lock. Redis is a fold of it: `publish`, `install`, `register`, `next_cut`
are one script each. A process is a generator, every `yield` ends one round trip to a store; between two of them the process may
pause for long or die, and another may run. Users a and b stay members; m is removed, added again and signed out.
Faults: crash, commit whose answer is lost, client retry (also with other text), duplicate invocation, post that fails, is late or
is 410, Redis wiped, rewound, one key evicted, split into two primaries, bucket count changing, asynchronous invoke lost or doubled.
Checked are the README's promises by number (9, throttles, is not modelled), that Redis is a fold, and that a member is never
refused. An ablation takes one rule away; the run fails if a configuration has a violation or an ablation has none.

    python3 send_protocol.py              20,000 executions a configuration, 3,000 an ablation, on all cores
    python3 send_protocol.py 500 all      500 executions, configurations and ablations whose name contains 'all'
    python3 send_protocol.py 1 all 17     seed 17 of the configuration or ablation of exactly that name: what it violates
"""
import collections, concurrent.futures, os, random, sys

Entry = collections.namedtuple('Entry', 'seq key kind user text conn')
Cut = collections.namedtuple('Cut', 'bucket upto entries conns lagging at')
Behind = collections.namedtuple('Behind', 'w')                  # publish: "not contiguous, I am at w" (None: cold)
LEASE, YOUNG, INTERVAL, STREAM = 20, 30, 60, 4                  # ticks of the model's clock; STREAM entries stay after trimming
NEVER = float('inf')


class Client:
    """The client rule of api.md: apply last+1, drop what is known, hold what jumps and subscribe from last."""
    def __init__(self, user):
        self.user, self.session, self.conn, self.last, self.gap, self.busy = user, user + '1', None, 0, False, False
        self.applied, self.held = [], {}

    def receive(self, frame):
        kind = frame[0]
        if kind == 'lag' or kind == 'pong' and (not frame[1] or frame[2] != self.last):   # also a head *below* last: Redis is behind
            self.gap = True
        if kind == 'subscribed':
            self.gap = not frame[3]
            for e in frame[1]:
                if e.seq > self.last: self.apply(e)
            self.last = max(self.last, frame[2])
        if kind in ('events', 'ack'):
            self.held.update((e.seq, e) for e in frame[1])
        self.held = {s: e for s, e in self.held.items() if s > self.last}
        while self.last + 1 in self.held: self.apply(self.held.pop(self.last + 1))
        self.gap = self.gap or bool(self.held)

    def apply(self, e):
        self.applied.append(e); self.last = e.seq


class World:
    def __init__(self, seed, faults, ablation):
        self.r, self.faults, self.without, self.now, self.bad = random.Random(seed), faults, ablation, 0, []
        # Postgres
        self.log, self.keys, self.members, self.sessions, self.committed_at = {}, {}, {'a', 'b', 'm'}, {'a1', 'b1', 'm1'}, 0
        self.members_at, self.removed_at, self.revoked, self.revisions = {0: frozenset('abm')}, {}, set(), 0
        # Redis: the conversation's partition (two of them while split) and the user records, on another shard
        self.partitions, self.side, self.users, self.copies = [self.no_redis()], 0, self.no_users(), []
        # gateway, clients, observer
        self.open, self.owner, self.net, self.procs = {}, {}, [], []
        self.clients = {u: Client(u) for u in 'abm'}
        self.sent, self.acked, self.signed_out, self.losses = {}, {}, {}, 0

    def no_redis(self):
        return dict(w=None, members=None, stream={}, known={}, conns={}, revoked=(frozenset(), None), cleared=None, p=[0], lease=[None], lagging=set(),
                    inbox={}, inbox_lease=None, mark=None)

    def no_users(self): return dict(live=set(), dead=set(), conns={})
    def violated(self, promise, detail=''): self.bad.append((promise, detail))
    def chance(self, p): return self.r.random() < p
    @property
    def redis(self): return self.partitions[self.side % len(self.partitions)]
    @property
    def last_seq(self): return len(self.log)

    # ---- what observers hold against us
    def shown(self, conn, entries):
        user, session = self.owner[conn]
        for e in entries:
            if self.log.get(e.seq) != e: self.violated('2 shown, not committed so', e)
            if user not in self.members and e.seq > self.removed_at.get(user, NEVER): self.violated('7 shown after removal', e)
            if e.seq > self.signed_out.get(session, NEVER): self.violated('7 shown after sign-out', e)

    def answered(self, key, e, conn):
        if self.log.get(e.seq) != e or e.key != key: self.violated('1 acked, not committed', e)
        if self.acked.setdefault(key, e.seq) != e.seq: self.violated('3 acked as two', key)
        if conn: self.net.append((conn, ('ack', [e])))

    def refused(self, user, since):
        if user in self.members_at[since] and self.removed_at.get(user, 0) <= since: self.violated('member refused', user)

    def is_fold(self, R):
        if R['w'] is None or R['members'] is None: return
        if R['members'] != self.members_at.get(R['w']): self.violated('8 members are not the fold', R['w'])
        if any(self.log.get(s) != e for s, e in R['stream'].items()): self.violated('8 stream is not the fold', R['w'])
        if R['stream'] and sorted(R['stream']) != list(range(R['w'] - len(R['stream']) + 1, R['w'] + 1)): self.violated('8 stream has a hole')
        if any(user not in R['members'] for user, _, _ in R['conns'].values()): self.violated('7 stranger registered')

    # ---- Postgres functions
    def commit(self, user, key, text, kind, conn, seen=None):
        """Lock the row; the key first, then membership, then the entry. A change that changes nothing takes no seq."""
        known = key in self.keys if seen is None else seen
        if known: return self.log[self.keys[key]]
        if user not in self.members: return 'refused'
        if kind != 'msg' and (text in self.members) == (kind == 'add'): return None
        e = Entry(self.last_seq + 1, key, kind, user, text, conn)
        if kind == 'add': self.members = self.members | {text}
        if kind == 'rm': self.members, self.removed_at[text] = self.members - {text}, e.seq
        self.log[e.seq], self.keys[key], self.committed_at = e, e.seq, self.now
        self.members_at[e.seq] = frozenset(self.members)
        return e

    def after(self, w, upto=NEVER): return [e for s, e in sorted(self.log.items()) if w < s < upto]
    def snapshot(self): return self.last_seq, frozenset(self.members), self.after(self.last_seq - STREAM)

    # ---- Redis scripts on the conversation
    def append(self, R, e):
        R['stream'][e.seq], R['known'][e.key], R['w'] = e, e.seq, e.seq
        for s in [s for s in R['stream'] if s <= e.seq - STREAM]: del R['stream'][s]
        if e.kind == 'add': R['members'] = R['members'] | {e.text}
        if e.kind != 'rm' or self.without == 'removal in the fold': return []
        R['members'] = R['members'] - {e.text}
        return [(c, e) for c, (user, _, _) in list(R['conns'].items()) if user == e.text and R['conns'].pop(c)]

    def publish(self, token, entries):
        R = self.redis
        if R['w'] is None or R['members'] is None: return Behind(None)
        new = [e for e in entries if e.seq > R['w']]
        if [e.seq for e in new] != list(range(R['w'] + 1, R['w'] + 1 + len(new))) and self.without != 'contiguity': return Behind(R['w'])
        gone = [x for e in new for x in self.append(R, e)]
        if 'buckets' in self.faults and self.chance(.15):
            n = 3 - len(R['p'])
            R['p'], R['lease'] = [R['w'] if self.without == 'p from the smallest' else min(R['p'])] * n, [None] * n
        self.is_fold(R)
        return gone, self.take_all(token)

    def install(self, token, snapshot):
        R, (last, members, tail) = self.redis, snapshot
        cold = R['w'] is None or R['members'] is None
        if cold or last > R['w'] or self.without == 'newer only':
            if R['w'] is None: R['p'], R['lease'] = [last], [None]
            R['w'], R['members'], R['stream'] = last, members, {e.seq: e for e in tail}
            if self.without != "load drops strangers' connections":
                R['conns'] = {c: x for c, x in R['conns'].items() if x[0] in members}
            self.is_fold(R)
        return [], self.take_all(token)

    def take_all(self, token):
        """One bucket: the cut, if there is something to push. Several: the numbers of those behind, leased for fan-out."""
        R = self.redis
        if R['w'] is None: return []
        taken = [b for b in range(len(R['p'])) if self.take(R, token, b)]
        return [self.cut(R, b) for b in taken] if len(R['p']) == 1 else taken

    def take(self, R, token, b):
        held = R['lease'][b]
        if R['p'][b] >= R['w'] or held and held[0] != token and held[1] > self.now: return False
        R['lease'][b] = token, self.now + LEASE
        return True

    def cut(self, R, b):
        ended, revision = R['revoked']
        if self.without != 'revoked in the partition' and R['cleared'] != revision:
            for c in [c for c, x in R['conns'].items() if x[1] in ended]: del R['conns'][c]
            R['cleared'] = revision
        conns = sorted(c for c in R['conns'] if c % len(R['p']) == b)
        return Cut(b, R['w'], [R['stream'][s] for s in range(R['p'][b] + 1, R['w'] + 1) if s in R['stream']], conns, set(R['lagging']), self.now)

    def next_cut(self, token, done, gone, failed, told):
        R, b = self.redis, done.bucket
        for c in gone:
            if c in R['conns'] and (self.now if self.without == 'age at the cut' else done.at) - R['conns'][c][2] > YOUNG: del R['conns'][c]
        R['lagging'] = (R['lagging'] - told | failed) & set(R['conns'])
        if R['w'] is None or b >= len(R['p']) or not R['lease'][b] or R['lease'][b][0] != token: return None
        R['p'][b] = max(R['p'][b], min(done.upto, R['w']))
        R['lease'][b] = (token, self.now + LEASE) if R['p'][b] < R['w'] else None
        return self.cut(R, b) if R['lease'][b] else None

    def register(self, token, conn, last, seen=0):
        R, (user, session) = self.redis, self.owner[conn]
        if R['w'] is None or R['members'] is None: return 'cold'
        if session in R['revoked'][0] and self.without != 'revoked in the partition': return 'revoked'
        if user not in R['members']: return 'stranger'
        if max(last, seen if self.without != 'seen' else 0) > R['w']: return 'behind'
        if self.without != 'register before read': R['conns'].setdefault(conn, (user, session, self.now))
        first = min(R['stream'], default=R['w'] + 1)
        return first, R['w'], [e for s, e in sorted(R['stream'].items()) if s > last], self.take_all(token)

    def gate(self, token, user, key, text, conn):
        R = self.redis
        if key in R['known']: return 'known', R['known'][key]
        if self.without == 'Postgres refuses' and R['members'] is not None and user not in R['members']: return 'refused', None
        return ('pass' if 'inbox' not in self.faults or conn is None else 'burst'), None       # REST waits for its answer: never the inbox

    def enqueue(self, token, user, key, text, conn):
        self.redis['inbox'].setdefault(key, (user, text, conn))
        return self.lead(token, ())

    def lead(self, token, done):
        R = self.redis
        for key in done: R['inbox'].pop(key, None)
        held = R['inbox_lease']
        if held and held[0] != token and held[1] > self.now: return None
        R['inbox_lease'] = (token, self.now + LEASE) if R['inbox'] else None
        return dict(R['inbox'])

    # ---- processes
    def fold(self, token, entries):
        """Publish committed entries, reading from Postgres what Redis lacks; then push what is to push."""
        for _ in range(20):
            x = self.publish(token, entries); yield
            if not isinstance(x, Behind): break
            if x.w is None or self.chance(.2):
                snapshot = self.snapshot()
                if self.without == 'one snapshot': yield; snapshot = self.last_seq, snapshot[1], self.after(self.last_seq - STREAM)
                yield
                x = self.install(token, snapshot); yield
                break
            entries = self.after(x.w); yield
        else: return self.violated('livelock')
        for conn, e in x[0]:
            self.post(conn, ('events', [e]))
            if self.chance(.3): yield
        if self.without == 'removal in the fold':
            yield
            for e in entries:
                if e.kind == 'rm' and self.redis['members']:
                    self.redis['members'] -= {e.text}
                    self.redis['conns'] = {c: y for c, y in self.redis['conns'].items() if y[0] != e.text}
        yield from self.push(token, x[1])

    def catch_up(self, token, w):
        entries = self.after(w) if w is not None else []; yield
        yield from self.fold(token, entries)

    def push(self, token, work):
        for x in work:
            if isinstance(x, Cut): yield from self.drain(token, x)
            else:
                for _ in range(self.r.choice((0, 1, 1, 2)) if 'crash' in self.faults else 1): self.spawn(self.fan_out(token, x))

    def fan_out(self, token, bucket):
        yield
        x = self.next_cut(token, Cut(bucket, 0, [], [], set(), self.now), set(), set(), set()); yield
        if x: yield from self.drain(token, x)

    def drain(self, token, cut):
        rounds, stale = 0, cut.conns
        while cut:
            gone, failed, told = set(), set(), set()
            conns = stale if self.without == 'fresh connections' else cut.conns
            for conn in self.r.sample(conns, len(conns)):
                mine = [e for e in cut.entries if e.conn != conn]      # the sender's own connection has its ack
                frame = ('lag', cut.upto) if conn in cut.lagging or not cut.entries else ('events', mine)
                if frame[0] == 'lag' or mine:
                    {'gone': gone, 'failed': failed, 'ok': told}[self.post(conn, frame)].add(conn)
                if self.chance(.3): yield
            cut = self.next_cut(token, cut, gone, failed, told); yield
            rounds += 1
            if cut and rounds > 2: return self.spawn(self.fan_out(token, cut.bucket))      # the lease goes to fan-out

    def post(self, conn, frame):
        if not self.open[conn]: return 'gone'
        if 'posts' in self.faults and self.chance(.1): return 'failed'
        if frame[0] == 'events': self.shown(conn, frame[1])
        self.net.append((conn, frame))
        return 'ok'

    def send(self, user, key, text, kind='msg', conn=None):
        token, since = self.r.random(), self.last_seq
        verdict, x = self.gate(token, user, key, text, conn); yield
        if verdict == 'refused': return self.refused(user, since)
        if verdict == 'burst':                          # another slot, the connection's, says whether its commands are throttled
            x = self.enqueue(token, user, key, text, conn); yield
            if x: yield from self.combine(token, x)
            return
        if verdict == 'known':
            e = self.log.get(x) or Entry(x, key, kind, user, text, conn); yield
            return self.answered(key, e, conn)
        if self.without == 'ack after commit': self.acked[key] = self.last_seq + 1; yield
        if self.without == 'publish after commit': yield from self.fold(token, [Entry(self.last_seq + 1, key, kind, user, text, conn)])
        if 'crash' in self.faults and self.chance(.05): return self.spawn(self.late_commit(user, key, text, kind, conn))
        seen = None
        if self.without == 'row lock': seen = key in self.keys; yield
        e = self.commit(user, key, text, kind, conn, seen); yield
        if e == 'refused': return self.refused(user, since)
        if e is None: return
        if self.without == 'text as committed': e = e._replace(text=text)
        yield from self.fold(token, [e])
        self.answered(key, e, conn)

    def late_commit(self, *args):
        yield
        self.commit(*args); yield

    def combine(self, token, batch):
        while batch:
            done = {k: self.commit(user, k, text, 'msg', conn) for k, (user, text, conn) in batch.items()}; yield
            entries = sorted(e for e in done.values() if e != 'refused')
            yield from self.fold(token, entries)
            for e in entries: self.answered(e.key, e, batch[e.key][2])
            batch = self.lead(token, done); yield

    def connect(self, c):
        conn, token, began = len(self.owner) + 1, self.r.random(), self.now
        self.owner[conn], self.open[conn], c.conn, c.busy = (c.user, c.session), False, conn, True
        try:
            U = self.users
            if c.session in U['live']: U['conns'][conn] = c.session; yield
            else:                                               # not known to be live is no answer: ask, then admit unless dead
                yield
                live = c.session in self.sessions; yield
                U = self.users
                if not live or c.session in U['dead'] and self.without != 'revoked in the user record': return
                if c.session in self.signed_out: self.violated('7 admitted after sign-out', c.session)
                U['live'], U['conns'][conn] = U['live'] | {c.session}, c.session; yield
            if self.chance(.5):
                x = self.register(token, conn, 0); yield
                if not isinstance(x, str): yield from self.push(token, x[3])
            if self.now - began < YOUNG: self.open[conn], c.gap = True, True      # else the platform has given up
        finally:
            c.busy = False
            if not self.open[conn] and c.conn == conn: c.conn = None

    def known(self, conn): return self.owner[conn][1] == self.users['conns'].get(conn)
    def close(self, c, conn):
        self.open[conn] = False
        if c.conn == conn: c.conn = None

    def subscribe(self, c):
        conn, last, seen, token, since, c.busy = c.conn, c.last, max(c.held, default=0), self.r.random(), self.last_seq, True
        try:
            live = self.known(conn); yield
            if not live: return self.close(c, conn)
            for _ in range(9):
                x = self.register(token, conn, last, seen); yield
                if x == 'revoked': return self.close(c, conn)
                if x == 'stranger':
                    member = c.user in self.members and self.without != 'Postgres refuses'; yield
                    if not member: c.gap, c.held = False, {}; return self.refused(c.user, since)
                if isinstance(x, str): yield from self.catch_up(token, self.redis['w']); continue
                first, w, entries, work = x
                if last + 1 < first:
                    if c.user not in self.members: c.gap, c.held = False, {}; return
                    entries = self.after(last, first) + entries; yield
                if self.without == 'register before read': self.redis['conns'][conn] = (*self.owner[conn], self.now); yield
                self.shown(conn, entries)
                yield from self.push(token, work)
                complete = len(entries) < 3 or self.chance(.8)           # an answer holds at most 96 KiB
                self.net.append((conn, ('subscribed', entries, w, True) if complete else ('subscribed', entries[:2], entries[1].seq, False)))
                return
        finally: c.busy = False

    def ping(self, c):
        conn, token = c.conn, self.r.random()
        live = self.known(conn); yield
        if not live: return self.close(c, conn)
        x, batch = (conn in self.redis['conns'], self.redis['w'], self.take_all(token)), self.lead(token, ()); yield
        self.net.append((conn, ('pong', x[0], x[1])))
        yield from self.push(token, x[2])
        if batch: yield from self.combine(token, batch)

    def disconnect(self, conn):
        self.users['conns'].pop(conn, None); yield
        self.redis['conns'].pop(conn, None); yield

    def sign_out(self, c):
        session, losses = c.session, self.losses
        self.sessions, self.revoked = self.sessions - {session}, self.revoked | {session}; yield
        yield from self.revoke(session)
        if losses == self.losses and len(self.partitions) == 1: self.signed_out[session] = self.last_seq

    def revoke(self, session):
        U = self.users
        conns = [c for c, s in U['conns'].items() if s == session]
        for c in conns: del U['conns'][c]
        U['dead'] = U['dead'] | {session}
        U['live'] = U['live'] - {session}
        yield
        ended, revision = self.redis['revoked']
        self.revisions += 1
        self.redis['revoked'] = ended | {session}, (1 if self.without == 'a new revision' else self.revisions)
        yield
        for c in conns: self.redis['conns'].pop(c, None)
        yield
        for conn in conns:
            if self.chance(.6): self.close(self.clients[self.owner[conn][0]], conn)
            yield

    def maintain(self):
        token, began, mark, w = self.r.random(), self.now, self.redis['mark'], self.redis['w']; yield
        recent = mark is None or self.committed_at >= mark - 3 * INTERVAL
        if self.without == 'mark in the partition': recent = self.committed_at >= began - 3 * INTERVAL
        last, entries = self.last_seq, self.after(w) if recent and w is not None else []; yield
        if w is not None: yield from self.fold(token, entries)
        batch = self.lead(token, ()); yield
        if batch: yield from self.combine(token, batch)
        for session in sorted(self.revoked): yield from self.revoke(session)
        folded = not recent or self.redis['w'] is None or self.redis['w'] >= last
        if self.redis['mark'] == mark and folded: self.redis['mark'] = began
        yield

    # ---- scheduler
    def spawn(self, process):
        if next(process, self) is not self: self.procs.append(process)

    def step(self):
        process = self.r.choice(self.procs)
        self.side = self.r.randrange(2)
        if next(process, self) is self: self.procs.remove(process)

    def arrive(self, i):
        conn, frame = self.net.pop(i)
        c = self.clients[self.owner[conn][0]]
        if c.conn == conn and self.open[conn]: c.receive(frame)

    def care(self, c):
        if c.busy or c.session not in self.sessions: return
        if c.conn is None: self.spawn(self.connect(c))
        elif self.open[c.conn] and c.gap: self.spawn(self.subscribe(c))

    def act(self):
        """One thing that clients do."""
        r, c = self.r, self.clients[self.r.choice('aabbm')]
        x = r.random()
        if x < .55:
            key = r.choice(sorted(self.sent)) if self.sent and self.chance(.3) else 'k%d' % len(self.sent)
            user, text = self.sent.setdefault(key, (c.user, 't' + key))
            conn = self.clients[user].conn if self.chance(.8) else None
            for _ in range(2 if self.chance(.05) else 1):
                self.spawn(self.send(user, key, text + ('x' if self.chance(.2) else ''), 'msg', conn))
        elif x < .65 and 'members' in self.faults:
            self.spawn(self.send('a', 'c%f' % r.random(), 'm', 'rm' if 'm' in self.members else 'add'))
        elif x < .68 and 'members' in self.faults and self.clients['m'].session in self.sessions: self.spawn(self.sign_out(self.clients['m']))
        elif x < .70 and c.session not in self.sessions and not c.busy:
            c.session, c.conn = 'm%d' % (len(self.revoked) + 1), None; self.sessions = self.sessions | {c.session}
        elif x < .76 and c.conn and self.open[c.conn]:
            if self.chance(.5): self.spawn(self.disconnect(c.conn))
            self.close(c, c.conn)
        elif x < .86 and self.faults and c.conn and self.open[c.conn]: self.spawn(self.ping(c))
        elif x < .90 and self.faults: self.spawn(self.maintain())
        elif x < .93: self.now += r.choice((25, 100, 400))

    def lose(self):
        """One thing that happens to Redis."""
        copied = lambda s: {k: v.copy() if hasattr(v, 'copy') else v for k, v in s.items()}
        x = self.r.random()
        if x < .70: self.copies.append((copied(self.redis), copied(self.users))); return
        self.signed_out, self.losses = {}, self.losses + 1       # sign-outs hold again once maintenance has re-applied them
        R, U = self.r.choice(self.copies[-6:]) if self.copies and x < .82 else (self.no_redis(), self.no_users())
        if x < .90:
            which = self.r.randrange(3)
            if which < 2: self.partitions = [copied(R)]
            if which > 0: self.users = copied(U)
        elif x < .96: self.redis.update({k: v for k, v in [self.r.choice(list(self.no_redis().items()))] if k not in ('p', 'lease', 'lagging')})
        elif len(self.partitions) == 1: self.partitions = [self.redis, copied(self.redis)]
        else: self.partitions.pop(self.r.randrange(2))

    def flush(self):
        for _ in range(3000):
            if self.procs: self.step()
            elif self.net: self.arrive(self.r.randrange(len(self.net)))
            else:
                for c in self.clients.values(): self.care(c)
                if not self.procs: return
        self.violated('livelock')

    def run(self, steps=220):
        for c in self.clients.values(): self.spawn(self.connect(c))
        for _ in range(steps):
            self.now += 1
            x = self.r.random()
            if x < .16: self.act()
            elif x < .20 and 'redis' in self.faults: self.lose()
            elif x < .36 and self.net: self.arrive(self.r.randrange(min(len(self.net), 6)))
            elif x < .40: self.care(self.r.choice(list(self.clients.values())))
            elif self.procs:
                if 'crash' in self.faults and self.chance(.04): self.procs.pop(self.r.randrange(len(self.procs))).close()
                else: self.step()
        return self.judge()

    def judge(self):
        """Faults stop; one round of maintenance and one ping interval later everybody must have everything."""
        was, self.faults, self.partitions = self.faults, self.faults & {'inbox', 'buckets'}, [self.redis]
        self.flush()
        if was:
            for _ in range(2):
                self.now += 10 * INTERVAL; self.spawn(self.maintain()); self.flush()
            self.signed_out = {session: self.last_seq for session in self.revoked}
            for c in self.clients.values():
                if c.conn: self.spawn(self.ping(c))
            self.flush()
        self.converged('5')
        if was:
            self.now += YOUNG + 1; self.spawn(self.send('a', 'final', 'final')); self.flush()
            self.converged('8, after one more message')
            healthy = {c.conn for c in self.clients.values() if c.conn and c.session in self.sessions and c.user in self.members}
            left = {c for c in self.redis['conns'] if c not in healthy}
            if left: self.violated('10 registry does not heal', left)
            if self.redis['inbox']: self.violated('inbox is stuck')
        for key, seq in self.acked.items():
            if seq not in self.log or self.log[seq].key != key: self.violated('1 acked, not in the log', (key, seq))
        if len({e.key for e in self.log.values()}) != len(self.log): self.violated('3 committed twice')
        return self.bad

    def converged(self, promise):
        for c in self.clients.values():
            full = c.user in self.members and c.session in self.sessions
            truth = [self.log[s] for s in range(1, self.last_seq + 1)]
            if c.applied != (truth if full else truth[:len(c.applied)]): self.violated('4/' + promise + ' client differs from the log', (c.user, c.last, self.last_seq))


ALL = {'crash', 'posts', 'members', 'redis'}
CONFIGURATIONS = {'calm, no pings': set(), 'crashes': {'crash', 'posts'}, 'membership': {'crash', 'posts', 'members'},
                  'redis lost': {'crash', 'posts', 'redis'}, 'all': ALL, 'all, buckets': ALL | {'buckets'},
                  'all, inbox': ALL | {'inbox'}, 'all, buckets, inbox': ALL | {'buckets', 'inbox'}, 'calm, buckets': {'buckets'}}
ABLATIONS = {'contiguity': 'crashes', 'fresh connections': 'membership', 'newer only': 'calm, no pings', 'seen': 'redis lost', 'age at the cut': 'calm, no pings', 'register before read': 'calm, no pings',
             'ack after commit': 'crashes', 'publish after commit': 'crashes', 'row lock': 'calm, no pings', 'text as committed': 'crashes',
             'removal in the fold': 'membership', 'one snapshot': 'all', "load drops strangers' connections": 'all',
             'revoked in the partition': 'membership', 'a new revision': 'all', 'revoked in the user record': 'membership', 'Postgres refuses': 'membership',
             'mark in the partition': 'redis lost', 'p from the smallest': 'calm, buckets'}


def batch(name, ablation, seeds):
    found = {}
    for seed in seeds:
        for promise, _ in World(seed, frozenset(CONFIGURATIONS[name]), ablation).run(): found.setdefault(promise, set()).add(seed)
    return found


def main():
    n, only, seed = (sys.argv[1:] + [None] * 3)[:3] if len(sys.argv) > 1 else (None, None, None)
    if seed:
        name, ablation = (only, None) if only in CONFIGURATIONS else (ABLATIONS[only], only)
        return print(*World(int(seed), frozenset(CONFIGURATIONS[name]), ablation).run(), sep='\n')
    runs = [(name, None, int(n or 20000)) for name in CONFIGURATIONS] + [(name, a, int(n or 3000)) for a, name in ABLATIONS.items()]
    failed = False
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for name, ablation, count in runs:
            title = f'{name}' + (f', without {ablation}' if ablation else '')
            if only and only not in title: continue
            found = {}
            for part in pool.map(batch, *zip(*[(name, ablation, range(i, min(i + 250, count))) for i in range(0, count, 250)])):
                for promise, seeds in part.items(): found.setdefault(promise, set()).update(seeds)
            failed |= bool(found) == (ablation is None)
            print(f'{title:55s}{count:7d} ', {p: f'{len(s)} (seed {min(s)})' for p, s in sorted(found.items())} or 'clean', flush=True)
    sys.exit(failed)


if __name__ == '__main__':
    main()
