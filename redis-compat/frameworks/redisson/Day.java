import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.redisson.Redisson;
import org.redisson.api.BatchOptions;
import org.redisson.api.RScript;
import org.redisson.api.RStream;
import org.redisson.api.RTopic;
import org.redisson.api.RType;
import org.redisson.api.RateType;
import org.redisson.api.RedissonClient;
import org.redisson.api.StreamMessageId;
import org.redisson.api.TransactionOptions;
import org.redisson.api.listener.StreamAddListener;
import org.redisson.api.options.ClientSideCachingOptions;
import org.redisson.api.options.LocalCachedMapOptions;
import org.redisson.api.redisnode.RedisNodes;
import org.redisson.api.stream.StreamAckArgs;
import org.redisson.api.stream.StreamAddArgs;
import org.redisson.api.stream.StreamCreateGroupArgs;
import org.redisson.api.stream.StreamMultiReadArgs;
import org.redisson.api.stream.StreamMultiReadGroupArgs;
import org.redisson.api.stream.StreamReadArgs;
import org.redisson.api.stream.StreamReadGroupArgs;
import org.redisson.api.stream.StreamRemoveArgs;
import org.redisson.api.stream.StreamTrimArgs;
import org.redisson.client.RedisException;
import org.redisson.client.codec.StringCodec;
import org.redisson.config.Config;
import org.redisson.config.Protocol;

/**
 * Redisson, in both protocols: the calls of RStream, the topics, the objects that are strings, and for want of which command the
 * others fail. The server is killed in the middle. Usage: Day PORT; started by ../run.
 */
class Day {
    static void equal(Object got, Object want) {
        if (!Objects.equals(got, want)) throw new AssertionError(got + " instead of " + want);
    }

    static String next(BlockingQueue<String> messages) throws InterruptedException {
        return messages.poll(30, TimeUnit.SECONDS);
    }

    final RedissonClient r;
    final String key;
    final RStream<String, String> orders;
    final RTopic news;
    final BlockingQueue<String> heard = new LinkedBlockingQueue<>(), matched = new LinkedBlockingQueue<>();
    final BlockingQueue<String> events = new LinkedBlockingQueue<>(), added = new LinkedBlockingQueue<>();
    List<StreamMessageId> ids = new ArrayList<>();

    Day(String port, Protocol protocol) {
        var config = new Config();
        config.setCodec(StringCodec.INSTANCE);
        config.setProtocol(protocol);
        config.useSingleServer().setAddress("redis://127.0.0.1:" + port).setConnectionMinimumIdleSize(1).setConnectionPoolSize(4)
            .setRetryAttempts(100);
        r = Redisson.create(config);
        key = "orders-" + protocol;
        orders = r.getStream(key);
        news = r.getTopic("news-" + protocol);
    }

    void topics() throws Exception {
        news.addListener(String.class, (channel, message) -> heard.add(message));
        String pattern = news.getChannelNames().get(0).replace("ws", "*");
        r.getPatternTopic(pattern).addListener(String.class, (p, channel, message) -> matched.add(p + " " + message));
        r.getPatternTopic("__event__:" + key + "*").addListener(String.class, (p, channel, message) -> events.add(message));
        equal(news.publish("hello"), 2L);
        equal(List.of(next(heard), next(matched)), List.of("hello", pattern + " hello"));
        equal(List.of(news.countSubscribers(), news.countListeners()), List.of(1L, 1));
        equal(r.getShardedTopic("nobody").publish("hello"), 0L);
        orders.addListener((StreamAddListener) added::add);
    }

    void stream() throws Exception {
        var from = StreamMessageId.MIN;
        var to = StreamMessageId.MAX;
        orders.createGroup(StreamCreateGroupArgs.name("billing").makeStream());
        for (int i = 0; i < 5; i++)
            ids.add(orders.add(StreamAddArgs.<String, String>entry("n", "" + i).trimNonStrict().maxLen(1000).noLimit()));
        for (int i = 0; i < 5; i++) {
            String event = next(events);
            equal(event.contains("\"stream\":\"" + key + "\"") && event.contains("\"data\":{\"n\":\"" + i + "\"}"), true);
            equal(next(added), key);
        }

        equal(orders.readGroup("billing", "alice", StreamReadGroupArgs.neverDelivered().count(3)).keySet(),
            Set.copyOf(ids.subList(0, 3)));
        equal(orders.readGroup("billing", "alice", StreamMultiReadGroupArgs.greaterThan(StreamMessageId.NEVER_DELIVERED,
            key, StreamMessageId.NEVER_DELIVERED).count(10)).get(key).size(), 2);
        equal(orders.ack("billing", ids.get(0)), 1L);
        equal(orders.getPendingInfo("billing").getConsumerNames(), Map.of("alice", 4L));
        equal(orders.listPending("billing", from, to, 10).size(), 4);
        equal(orders.listPending("billing", "bob", from, to, 10).size(), 0);
        equal(orders.listPending("billing", from, to, 0, TimeUnit.MILLISECONDS, 10).get(0).getLastTimeDelivered(), 1L);
        equal(orders.claim("billing", "bob", 0, TimeUnit.MILLISECONDS, ids.get(1)), Map.of(ids.get(1), Map.of("n", "1")));
        equal(orders.fastClaim("billing", "bob", 0, TimeUnit.MILLISECONDS, ids.get(2)), List.of(ids.get(2)));
        equal(orders.autoClaim("billing", "carol", 0, TimeUnit.MILLISECONDS, from, 10).getMessages().size(), 4);
        equal(orders.fastAutoClaim("billing", "carol", 0, TimeUnit.MILLISECONDS, from, 10).getIds().size(), 4);

        equal(orders.range(from, to).size(), 5);
        equal(orders.rangeReversed(2, to, from).size(), 2);
        equal(orders.read(StreamReadArgs.greaterThan(ids.get(2)).count(10)).size(), 2);
        equal(orders.read(StreamMultiReadArgs.greaterThan(ids.get(2), "nothing", ids.get(2))).get(key).size(), 2);
        var none = orders.read(StreamReadArgs.greaterThan(ids.get(4)).timeout(Duration.ofMillis(10)));
        equal(none == null || none.isEmpty(), true); // null in RESP2

        var about = orders.getInfo();
        equal(List.of(about.getLength(), about.getGroups(), about.getLastGeneratedId()), List.of(5, 1, ids.get(4)));
        equal(orders.listGroups().get(0).getName(), "billing");
        equal(orders.listConsumers("billing").size(), 3);
        equal(List.of(orders.size(), orders.isExists(), orders.clearExpire(), orders.sizeInMemory() > 0, orders.touch()),
            List.of(5L, true, false, true, true));
        equal(List.of(orders.remainTimeToLive(), orders.getExpireTime()), List.of(-1L, -1L));
        RStream<String, String> other = r.getStream(key + "-copy");
        other.restore(orders.dump());
        equal(other.size(), 5L);
        equal(other.delete(), true);
        equal(orders.copy(key + "-copy"), true);
        equal(other.trim(StreamTrimArgs.maxLen(2).noLimit()), 3L);
        equal(other.unlink(), true);

        orders.createConsumer("billing", "dave");
        equal(orders.removeConsumer("billing", "dave"), 0L);
        orders.createGroup(StreamCreateGroupArgs.name("idle"));
        orders.updateGroupMessageId("idle", StreamMessageId.NEWEST);
        orders.removeGroup("idle");
        // Redis 8.2's: XACKDEL and XDELEX, with a status of each entry.
        equal(orders.ack(StreamAckArgs.group("billing").ids(ids.get(4)).removeReferences()).size(), 1);
        equal(orders.remove(StreamRemoveArgs.ids(ids.get(3)).removeReferences()).size(), 1);
        equal(orders.remove(ids.get(0)), 1L);

        for (var mode : BatchOptions.ExecutionMode.values()) {
            if (mode.name().contains("SYNC")) continue; // wants replicas
            var batch = r.createBatch(BatchOptions.defaults().executionMode(mode));
            batch.getStream(key + "-batch").addAsync(StreamAddArgs.entry("n", "5"));
            batch.getBucket(key + "-batched").setAsync("1");
            equal(batch.execute().getResponses().size(), 2);
        }
    }

    void strings() throws Exception {
        var bucket = r.<String>getBucket("bucket-" + key);
        bucket.set("one", Duration.ofHours(1));
        bucket.setAndKeepTTL("two");
        equal(bucket.remainTimeToLive() > 0, true);
        equal(List.of(bucket.get(), bucket.size(), bucket.getAndSet("three")), List.of("two", 3L, "two"));
        equal(List.of(bucket.setIfAbsent("four"), bucket.setIfExists("five", Duration.ofHours(1))), List.of(false, true));
        equal(List.of(bucket.getAndExpire(Duration.ofHours(2)), bucket.getAndClearExpire()), List.of("five", "five"));
        r.getBuckets().set(Map.of(key + "-a", "alive", key + "-b", "olive"));
        equal(r.getBuckets().get(key + "-a", key + "-b"), Map.of(key + "-a", "alive", key + "-b", "olive"));
        equal(r.getBuckets().trySet(Map.of(key + "-a", "", key + "-c", "")), false);
        equal(List.of(r.getBucket(key + "-a").findCommon(key + "-b"), r.getBucket(key + "-a").findCommonLength(key + "-b")),
            List.of("live", 4L));
        var number = r.getAtomicLong("number-" + key);
        equal(List.of(number.incrementAndGet(), number.addAndGet(5), number.getAndSet(2), number.decrementAndGet()),
            List.of(1L, 6L, 6L, 1L));
        equal(r.getAtomicDouble("double-" + key).addAndGet(1.5), 1.5);
        var bytes = r.getBinaryStream("bytes-" + key);
        try (var out = bytes.getOutputStream()) {
            out.write("hello".getBytes(StandardCharsets.UTF_8));
        }
        try (var in = bytes.getInputStream()) {
            equal(new String(in.readAllBytes(), StandardCharsets.UTF_8), "hello");
        }
        equal(List.of(r.getKeys().getType(key), r.getKeys().getType("number-" + key)), List.of(RType.STREAM, RType.OBJECT));
        equal(List.of(r.getKeys().expire(key, 1, TimeUnit.HOURS), r.getKeys().clearExpire(key)), List.of(true, true));
        equal(r.getKeys().deleteByPattern(key + "-[ab]"), 2L);
    }

    /** RESP3: what is kept here is forgotten when somebody changes it. */
    void cache() throws Exception {
        var cached = r.getClientSideCaching(ClientSideCachingOptions.defaults()).<String>getBucket("cached");
        var direct = r.<String>getBucket("cached");
        direct.set("old");
        equal(cached.get(), "old");
        direct.set("new");
        for (int tries = 0; !cached.get().equals("new"); tries++) {
            equal(tries < 3000, true);
            Thread.sleep(10);
        }
    }

    void afterwards() throws Exception {
        equal(orders.getPendingInfo("billing").getConsumerNames(), Map.of("carol", 2L));
        equal(orders.readGroup("billing", "carol", StreamReadGroupArgs.greaterThan(StreamMessageId.ALL)).keySet(),
            Set.copyOf(ids.subList(1, 3)));
        equal(orders.ack("billing", ids.get(1), ids.get(2)), 2L);
        equal(r.getAtomicLong("number-" + key).get(), 1L);
        // The listeners come back by themselves, some time after the connection.
        for (int n = 0; heard.isEmpty() || matched.isEmpty() || events.isEmpty(); n++) {
            equal(n < 600, true);
            news.publish("again");
            orders.add(StreamAddArgs.entry("n", "again"));
            Thread.sleep(50);
        }
        equal(next(heard), "again");
        equal(next(events).contains("\"data\":{\"n\":\"again\"}"), true);
    }

    final Map<String, List<String>> missing = new LinkedHashMap<>();

    /** It fails for want of this command, and of no other; what works one day has to be moved to the others. */
    void lacks(String command, String what, Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (RedisException e) {
            equal(e.getMessage().replaceAll("(?s)ERR (unknown command )?'([^']*)'.*", "$2"), command);
            missing.computeIfAbsent(command.toUpperCase().replace('|', ' '), c -> new ArrayList<>()).add(what);
            return;
        }
        throw new AssertionError(what + " works by now");
    }

    void whatIsMissing() throws Exception {
        var from = StreamMessageId.MIN;
        lacks("evalsha_ro", "`RStream.pendingRange`", () -> orders.pendingRange("billing", from, StreamMessageId.MAX, 10));
        lacks("evalsha", "`expire` of any object", () -> orders.expire(Duration.ofHours(1)));
        lacks("evalsha", "`RBucket.getAndDelete`", () -> r.getBucket("bucket-" + key).getAndDelete());
        lacks("evalsha", "`compareAndSet`", () -> r.getBucket("bucket-" + key).compareAndSet("a", "b"));
        lacks("evalsha", "`getAndSet` with a time", () -> r.getBucket("bucket-" + key).getAndSet("a", Duration.ofHours(1)));
        lacks("evalsha", "`RAtomicLong.compareAndSet`, `setIfLess`, `getAndDelete`",
            () -> r.getAtomicLong("number-" + key).compareAndSet(1, 2));
        lacks("evalsha", "`RReliableTopic`", () -> r.getReliableTopic("reliable").publish("hello"));
        lacks("evalsha", "`RLock`", () -> r.getLock("lock").tryLock());
        lacks("evalsha", "`RSemaphore`", () -> r.getSemaphore("semaphore").trySetPermits(1));
        lacks("evalsha", "`RCountDownLatch`", () -> r.getCountDownLatch("latch").trySetCount(1));
        lacks("evalsha", "`RRateLimiter`",
            () -> r.getRateLimiter("rate").trySetRate(RateType.OVERALL, 1, Duration.ofSeconds(1)));
        lacks("evalsha", "`RMap.put`", () -> r.getMap("map").put("a", "b"));
        lacks("evalsha", "`RMapCache`", () -> r.getMapCache("maps").put("a", "b", 1, TimeUnit.SECONDS));
        lacks("evalsha", "`RBloomFilter`", () -> r.getBloomFilter("bloom").tryInit(10, 0.1));
        lacks("evalsha", "`RTransaction`", () -> {
            var transaction = r.createTransaction(TransactionOptions.defaults());
            transaction.getBucket("bucket-" + key).set("1");
            transaction.commit();
            return null;
        });
        lacks("evalsha", "`RScript`",
            () -> r.getScript().eval(RScript.Mode.READ_WRITE, "return 1", RScript.ReturnType.INTEGER));
        lacks("function|list", "`RFunction`", () -> r.getFunction().list());
        lacks("hset", "`RMap.fastPut`", () -> r.getMap("map").fastPut("a", "b"));
        lacks("hkeys", "`RLocalCachedMap`",
            () -> r.getLocalCachedMap(LocalCachedMapOptions.<String, String>name("local")).put("a", "b"));
        lacks("rpush", "`RQueue`, `RList`", () -> r.getQueue("queue").add("a"));
        lacks("sadd", "`RSet`", () -> r.getSet("set").add("a"));
        lacks("zadd", "`RScoredSortedSet`", () -> r.getScoredSortedSet("sorted").add(1, "a"));
        lacks("geoadd", "`RGeo`", () -> r.getGeo("geo").add(1, 1, "a"));
        lacks("setbit", "`RBitSet`", () -> r.getBitSet("bits").set(1));
        lacks("pfadd", "`RHyperLogLog`", () -> r.getHyperLogLog("log").add("a"));
        lacks("move", "`move`", () -> orders.move(1));
        missing.forEach((command, calls) -> System.out.println("missing: `" + command + "`: " + String.join(", ", calls)));
    }

    public static void main(String[] args) {
        try {
            day(args[0]);
            System.exit(0);
        } catch (Throwable e) {
            e.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    static void day(String port) throws Exception {
        System.out.println("version Redisson " + Redisson.class.getPackage().getImplementationVersion());
        List<Day> days = List.of(new Day(port, Protocol.RESP2), new Day(port, Protocol.RESP3));
        days.get(0).r.getRedisNodes(RedisNodes.SINGLE).getInstance().setConfig("notify-keyspace-events", "KEA");
        for (var day : days) {
            day.topics();
            day.stream();
            day.strings();
        }
        days.get(1).cache();
        days.get(1).whatIsMissing();
        for (var day : days) {
            day.heard.clear();
            day.matched.clear();
            day.events.clear();
        }
        System.out.println("crash");
        equal(new BufferedReader(new InputStreamReader(System.in)).readLine(), "restarted");
        for (var day : days) day.afterwards();
        System.out.println("tried: `RStream`: all calls but those below; `RBatch`");
        System.out.println("tried: `RTopic`, `RPatternTopic`, also on `__event__:orders*`; `StreamAddListener`");
        System.out.println("tried: `RBucket`, `RBuckets`, `RAtomicLong`, `RAtomicDouble`, `RBinaryStream`, `RKeys`; `RClientSideCaching` (RESP3)");
        System.out.println("care: `RKeys.expire` needs no script where `expire` of an object does, nor do `listPending` and `range` in place of `pendingRange`");
        System.out.println("done");
    }
}
