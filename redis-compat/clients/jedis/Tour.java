import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import redis.clients.jedis.AbstractTransaction;
import redis.clients.jedis.Connection;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.Protocol;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.StreamEntryID;
import redis.clients.jedis.UnifiedJedis;
import redis.clients.jedis.commands.ProtocolCommand;
import redis.clients.jedis.exceptions.JedisConnectionException;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.params.SetParams;
import redis.clients.jedis.params.XAutoClaimParams;
import redis.clients.jedis.params.XClaimParams;
import redis.clients.jedis.params.XPendingParams;
import redis.clients.jedis.params.XReadGroupParams;
import redis.clients.jedis.resps.StreamEntry;
import redis.clients.jedis.util.KeyValue;
import redis.clients.jedis.util.SafeEncoder;

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

    static Object call(String command, Object... args) {
        ProtocolCommand raw = () -> command.getBytes();
        return SafeEncoder.encodeObject(r.sendCommand(raw, Arrays.stream(args).map(Object::toString).toArray(String[]::new)));
    }

    /** The reply of an E command: name, value, name, value in RESP2; pairs in RESP3. */
    static Map<String, Object> named(Object reply) {
        Map<String, Object> out = new TreeMap<>();
        var list = (List<?>) reply;
        for (int i = 0; i < list.size(); i++) {
            if (list.get(i) instanceof KeyValue<?, ?> pair) out.put((String) pair.getKey(), pair.getValue());
            else out.put((String) list.get(i), list.get(++i));
        }
        return out;
    }

    static Map<String, Object> eread(Object... words) {
        List<Object> all = new ArrayList<>(List.of(words));
        all.addAll(List.of("CATEGORY", "cart", "FIELDS", "stream_id,payload"));
        return named(call("EREAD", all.toArray()));
    }

    static Map<String, Object> fill(int n) {
        return named(call("EAPPEND", "cart-" + n, "cart.filled", "PAYLOAD", n));
    }

    /** Pushes: a connection of its own, in RESP2, where messages are plain arrays. Gets so many events, and acknowledges them. */
    static List<Object> pushed(int port, int count) {
        var config = DefaultJedisClientConfig.builder().protocol(RedisProtocol.RESP2).build();
        try (var own = new Connection(new HostAndPort("127.0.0.1", port), config)) {
            own.setTimeoutInfinite();
            own.sendCommand(() -> "ESUBSCRIBE".getBytes(), "cart-*", "FROM", "CHECKPOINT", "pushed", "ELSE", "START", "CHECKPOINT", "pushed",
                "WINDOW", "2", "FIELDS", "stream_id,payload");
            Object id = named(SafeEncoder.encodeObject(own.getOne())).get("id");
            List<Object> events = new ArrayList<>();
            for (int answers = 0; answers < count;) {
                Object message = SafeEncoder.encodeObject(own.getOne());
                if (message.equals("OK")) {
                    answers++;
                } else if (((List<?>) message).get(0).equals("event")) {
                    var event = (List<?>) message;
                    equal(event.get(1), id);
                    events.add(event.get(3));
                    own.sendCommand(() -> "EACK".getBytes(), (String) id, event.get(2).toString());
                }
            }
            return events;
        }
    }

    /** What is heard on channels, and on patterns. */
    static class Heard extends JedisPubSub {
        final BlockingQueue<String> messages = new LinkedBlockingQueue<>();

        @Override public void onMessage(String channel, String message) { messages.add(channel + " " + message); }
        @Override public void onPMessage(String pattern, String channel, String message) { messages.add(channel + " " + message); }

        String next(String channel) throws InterruptedException {
            for (;;) {
                String message = messages.poll(20, TimeUnit.SECONDS);
                if (message == null || message.startsWith(channel + " ")) return message;
            }
        }
    }

    /** Two threads listen, each with a connection of its own; appended: events are messages, too. */
    static void channels(boolean appended) throws Exception {
        Heard news = new Heard(), more = new Heard();
        Thread[] listening = {new Thread(() -> r.subscribe(news, "news")), new Thread(() -> r.psubscribe(more, "ne?s", "__event__:sale-*"))};
        for (var thread : listening) thread.start();
        while (r.publish("news", "hello") < 2) Thread.sleep(10);
        equal(news.next("news"), "news hello");
        equal(more.next("news"), "news hello");
        r.xadd("sale-1", StreamEntryID.NEW_ENTRY, Map.of("total", "42"));
        if (appended) equal(more.next("__event__:sale-1").contains("\"data\":{\"total\":\"42\"}"), true);
        news.unsubscribe();
        more.punsubscribe();
        for (var thread : listening) thread.join();
    }

    static void strings() {
        equal(r.set("text", "three", SetParams.setParams().nx().ex(3600)), "OK");
        equal(r.set("text", "other", SetParams.setParams().nx()), null);
        equal(List.of(r.append("text", " blind"), r.setrange("text", 6, "mice "), r.strlen("text")), List.of(11L, 11L, 11L));
        equal(List.of(r.getrange("text", 0, 4), r.setGet("text", "four"), r.getDel("text")), List.of("three", "three mice ", "four"));
        equal(List.of(r.incrBy("n", 42), r.decr("n"), r.incrByFloat("n", 0.5)), List.of(42L, 41L, 41.5));
        equal(List.of(r.mset("a", "1", "b", "2"), r.msetnx("b", "3", "c", "4")), List.of("OK", 0L));
        equal(r.mget("a", "b", "c"), Arrays.asList("1", "2", null));
        equal(r.del("a", "b", "n"), 3L);
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

        // A group on a virtual stream; read from history to live, and keep the place in one transaction with what comes of it.
        boolean appended = true;
        Map<String, Object> page = null;
        try {
            fill(0);
        } catch (JedisDataException e) { // Redis has neither
            appended = false;
        }
        if (appended) {
            fill(1);
            fill(2);
            String virtual = "@category:cart";
            equal(r.xgroupCreate(virtual, "saga", new StreamEntryID("0-0"), true), "OK");
            var entries = r.xreadGroupAsMap("saga", "w1", params().count(2), Map.of(virtual, StreamEntryID.XREADGROUP_UNDELIVERED_ENTRY)).get(virtual);
            for (int i = 0; i < 2; i++) equal(entries.get(i).getFields().get("@stream") + " " + entries.get(i).getFields().get("payload"), "cart-" + i + " " + i);
            equal(r.xack(virtual, "saga", entries.get(0).getID()), 1L);
            equal(plain(r.xautoclaim(virtual, "saga", "w2", 0, new StreamEntryID("0-0"), XAutoClaimParams.xAutoClaimParams()).getValue()), plain(entries.subList(1, 2)));

            page = eread("FROM", "START", "COUNT", 2);
            equal(page.get("events"), List.of(List.of("cart-0", "0"), List.of("cart-1", "1")));
            page = eread("FROM", page.get("next") + "@" + page.get("timeline"));
            equal(List.of(page.get("events"), page.get("next")), List.of(List.of(List.of("cart-2", "2")), page.get("head")));
            Object from = page.get("next");
            var later = CompletableFuture.supplyAsync(() -> { // Jedis gives up a connection that is silent for 2 s
                var found = eread("FROM", from, "BLOCK", 1000);
                while (((List<?>) found.get("events")).isEmpty()) found = eread("FROM", found.get("next"), "BLOCK", 1000);
                return found;
            });
            while (!new String((byte[]) r.sendCommand(Protocol.Command.INFO, "clients")).contains("blocked_clients:1\r")) Thread.sleep(10);
            var written = fill(3);
            page = later.get(20, TimeUnit.SECONDS);
            equal(page.get("events"), List.of(List.of("cart-3", "3")));

            for (String attempt : List.of("made", "too late"))
                try (AbstractTransaction tx = r.multi()) {
                    tx.set("carts", attempt);
                    tx.sendCommand(() -> "ECHECKPOINT".getBytes(), "SET", "carts", page.get("next").toString(), "IF", "NONE");
                    tx.exec();
                    equal(attempt, "made");
                } catch (JedisDataException e) {
                    equal(attempt + e.getMessage().contains("STALE"), "too latetrue");
                }
            equal(r.get("carts"), "made");
            equal(call("ECHECKPOINT", "WAIT", "carts", written.get("partition_sequence"), 1000), 1L);
            equal(named(call("ECHECKPOINT", "GET", "carts")).get("position"), page.get("next"));
            List<Object> four = new ArrayList<>();
            for (int i = 0; i < 4; i++) four.add(List.of("cart-" + i, "" + i));
            equal(pushed(Integer.parseInt(args[0]), 4), four);
        }

        // Channels and strings.
        channels(appended);
        strings();

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
        if (appended) {
            fill(4);
            equal(eread("FROM", "CHECKPOINT", "carts").get("events"), List.of(List.of("cart-4", "4")));
            equal(pushed(Integer.parseInt(args[0]), 1), List.of(List.of("cart-4", "4")));
        }
        System.out.println("done");
        System.exit(0);
    }
}
