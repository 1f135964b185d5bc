import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import redis.clients.jedis.AbstractTransaction;
import redis.clients.jedis.Protocol;
import redis.clients.jedis.StreamEntryID;
import redis.clients.jedis.UnifiedJedis;
import redis.clients.jedis.exceptions.JedisConnectionException;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.params.XAutoClaimParams;
import redis.clients.jedis.params.XClaimParams;
import redis.clients.jedis.params.XPendingParams;
import redis.clients.jedis.params.XReadGroupParams;
import redis.clients.jedis.resps.StreamEntry;

/** What a worker does with Jedis: the steps of ../README.md. Usage: Tour PORT; started by ../run. */
class Tour {
    static UnifiedJedis r;

    static void equal(Object got, Object want) {
        if (!Objects.equals(got, want)) throw new AssertionError(got + " instead of " + want);
    }

    record Plain(StreamEntryID id, Map<String, String> fields) {}

    static List<Plain> plain(List<StreamEntry> entries) {
        return entries.stream().map(e -> new Plain(e.getID(), e.getFields())).toList();
    }

    /** XREADGROUP of orders as the group billing; null when there is nothing. */
    static List<Plain> read(String consumer, StreamEntryID id, XReadGroupParams params) {
        Map<String, List<StreamEntry>> reply = r.xreadGroupAsMap("billing", consumer, params, Map.of("orders", id));
        return reply == null ? null : plain(reply.get("orders"));
    }

    static XReadGroupParams params() {
        return XReadGroupParams.xReadGroupParams();
    }

    static void kept(StreamEntryID id) {
        var rows = r.xpending("orders", "billing", new XPendingParams("-", "+", 10));
        equal(rows.size(), 1);
        equal(List.of(rows.get(0).getID(), rows.get(0).getConsumerName(), rows.get(0).getDeliveredTimes()), List.of(id, "carol", 3L));
    }

    public static void main(String[] args) throws Exception {
        System.out.println("version " + UnifiedJedis.class.getProtectionDomain().getCodeSource().getLocation().getPath()
            .replaceAll(".*/jedis-(.*)\\.jar", "$1"));
        r = Connect.to(Integer.parseInt(args[0]));
        equal(r.ping(), "PONG");

        // Produce.
        List<StreamEntryID> ids = new ArrayList<>();
        List<Plain> all = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Map<String, String> fields = Map.of("n", "" + i, "text", "é ☕ " + i);
            ids.add(r.xadd("orders", StreamEntryID.NEW_ENTRY, fields));
            all.add(new Plain(ids.get(i), fields));
        }
        equal(r.xlen("orders"), 3L);
        equal(plain(r.xrange("orders", "-", "+")), all);
        equal(plain(r.xrevrange("orders", "+", "-", 1)), all.subList(2, 3));

        // Consume in a group.
        equal(r.xgroupCreate("orders", "billing", new StreamEntryID("0-0"), false), "OK");
        try {
            r.xgroupCreate("orders", "billing", new StreamEntryID("0-0"), false);
            throw new AssertionError("the group was created twice");
        } catch (JedisDataException e) {
            equal(e.getMessage().startsWith("BUSYGROUP"), true);
        }
        equal(read("alice", StreamEntryID.XREADGROUP_UNDELIVERED_ENTRY, params().count(2)), all.subList(0, 2));
        equal(r.xack("orders", "billing", ids.get(0)), 1L);
        var pending = r.xpending("orders", "billing");
        equal(List.of(pending.getTotal(), pending.getMinId(), pending.getMaxId()), List.of(1L, ids.get(1), ids.get(1)));
        equal(pending.getConsumerMessageCount(), Map.of("alice", 1L));

        // Claim what another one left.
        equal(plain(r.xclaim("orders", "billing", "bob", 0, XClaimParams.xClaimParams(), ids.get(1))), all.subList(1, 2));
        var claimed = r.xautoclaim("orders", "billing", "carol", 0, new StreamEntryID("0-0"), XAutoClaimParams.xAutoClaimParams());
        equal(claimed.getKey(), new StreamEntryID("0-0"));
        equal(plain(claimed.getValue()), all.subList(1, 2));
        kept(ids.get(1));

        // Block, and be woken.
        equal(read("alice", StreamEntryID.XREADGROUP_UNDELIVERED_ENTRY, params()), all.subList(2, 3));
        equal(read("alice", StreamEntryID.XREADGROUP_UNDELIVERED_ENTRY, params().block(10)), null);
        var woken = CompletableFuture.supplyAsync(() -> read("alice", StreamEntryID.XREADGROUP_UNDELIVERED_ENTRY, params().block(30000)));
        while (!new String((byte[]) r.sendCommand(Protocol.Command.INFO, "clients")).contains("blocked_clients:1\r")) Thread.sleep(10);
        StreamEntryID fourth = r.xadd("orders", StreamEntryID.NEW_ENTRY, Map.of("n", "3"));
        equal(woken.get(20, TimeUnit.SECONDS), List.of(new Plain(fourth, Map.of("n", "3"))));
        equal(r.xack("orders", "billing", ids.get(2), fourth), 2L);

        // A transaction, and one that another client gets ahead of.
        try (AbstractTransaction tx = r.multi()) {
            tx.xadd("paid", new StreamEntryID("1-1"), Map.of("order", "1"));
            tx.xadd("paid", new StreamEntryID("1-2"), Map.of("order", "2"));
            tx.xlen("paid");
            equal(tx.exec(), List.of(new StreamEntryID("1-1"), new StreamEntryID("1-2"), 2L));
        }
        try (AbstractTransaction tx = r.transaction(false)) {
            tx.watch("paid");
            r.xadd("paid", new StreamEntryID("1-3"), Map.of("order", "3"));
            tx.multi();
            tx.xadd("paid", new StreamEntryID("1-4"), Map.of("order", "4"));
            equal(tx.exec(), null);
        }
        equal(r.xlen("paid"), 3L);

        // Remove, and look.
        equal(r.xdel("paid", new StreamEntryID("1-2")), 1L);
        equal(r.xtrim("paid", 1, false), 1L);
        equal(plain(r.xrange("paid", "-", "+")), List.of(new Plain(new StreamEntryID("1-3"), Map.of("order", "3"))));
        var about = r.xinfoStream("orders");
        equal(List.of(about.getLength(), about.getLastGeneratedId(), about.getGroups()), List.of(4L, fourth, 1L));
        var full = r.xinfoStreamFull("orders");
        equal(List.of(full.getLength(), full.getEntries().size(), full.getGroups().get(0).getName()), List.of(4L, 4, "billing"));
        var group = r.xinfoGroups("orders").get(0);
        equal(List.of(group.getName(), group.getPending(), group.getLastDeliveredId()), List.of("billing", 1L, fourth));
        Map<String, Long> consumers = new TreeMap<>();
        for (var c : r.xinfoConsumers2("orders", "billing")) consumers.put(c.getName(), c.getPending());
        equal(consumers, Map.of("alice", 0L, "bob", 0L, "carol", 1L));

        // The server is restarted.
        System.out.println("restart");
        equal(new BufferedReader(new InputStreamReader(System.in)).readLine(), "restarted");
        for (;;) {
            try {
                r.ping();
                break;
            } catch (JedisConnectionException e) {
                Thread.sleep(50);
            }
        }
        List<StreamEntryID> found = new ArrayList<>(ids);
        found.add(fourth);
        equal(plain(r.xrange("orders", "-", "+")).stream().map(Plain::id).toList(), found);
        kept(ids.get(1));
        equal(read("carol", new StreamEntryID("0-0"), params()), all.subList(1, 2));
        equal(r.xack("orders", "billing", ids.get(1)), 1L);
        StreamEntryID fifth = r.xadd("orders", StreamEntryID.NEW_ENTRY, Map.of("n", "4"));
        equal(read("alice", StreamEntryID.XREADGROUP_UNDELIVERED_ENTRY, params()), List.of(new Plain(fifth, Map.of("n", "4"))));
        System.out.println("done");
        System.exit(0);
    }
}
