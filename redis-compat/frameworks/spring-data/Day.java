import io.lettuce.core.ClientOptions;
import io.lettuce.core.protocol.ProtocolVersion;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.springframework.cache.Cache;
import org.springframework.dao.DataAccessException;
import org.springframework.data.redis.cache.BatchStrategies;
import org.springframework.data.redis.cache.RedisCacheManager;
import org.springframework.data.redis.cache.RedisCacheWriter;
import org.springframework.data.redis.connection.MessageListener;
import org.springframework.data.redis.connection.RedisStandaloneConfiguration;
import org.springframework.data.redis.connection.lettuce.LettuceClientConfiguration;
import org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory;
import org.springframework.data.redis.connection.stream.Consumer;
import org.springframework.data.redis.connection.stream.MapRecord;
import org.springframework.data.redis.connection.stream.ReadOffset;
import org.springframework.data.redis.connection.stream.StreamOffset;
import org.springframework.data.redis.core.RedisOperations;
import org.springframework.data.redis.core.SessionCallback;
import org.springframework.data.redis.core.StringRedisTemplate;
import org.springframework.data.redis.core.script.DefaultRedisScript;
import org.springframework.data.redis.listener.ChannelTopic;
import org.springframework.data.redis.listener.PatternTopic;
import org.springframework.data.redis.listener.RedisMessageListenerContainer;
import org.springframework.data.redis.stream.StreamMessageListenerContainer;
import org.springframework.data.redis.stream.StreamMessageListenerContainer.StreamMessageListenerContainerOptions;
import org.springframework.data.redis.stream.StreamMessageListenerContainer.StreamReadRequest;

/**
 * Spring Data Redis, in both protocols: its listener containers for channels, for events, for expired keys and for streams; the
 * cache; strings and transactions with its template. The server is killed in the middle. Usage: Day PORT; started by ../run.
 */
class Day {
    static void equal(Object got, Object want) {
        if (!Objects.equals(got, want)) throw new AssertionError(got + " instead of " + want);
    }

    static String next(BlockingQueue<String> messages) throws InterruptedException {
        return messages.poll(30, TimeUnit.SECONDS);
    }

    static MessageListener into(BlockingQueue<String> queue) {
        return (message, pattern) -> queue.add(new String(message.getBody()));
    }

    final LettuceConnectionFactory connections;
    final StringRedisTemplate template;
    final String orders, channel;
    final RedisMessageListenerContainer channels = new RedisMessageListenerContainer();
    final StreamMessageListenerContainer<String, MapRecord<String, String, String>> streams;
    final BlockingQueue<String> heard = new LinkedBlockingQueue<>(), matched = new LinkedBlockingQueue<>();
    final BlockingQueue<String> events = new LinkedBlockingQueue<>(), expired = new LinkedBlockingQueue<>();
    final BlockingQueue<String> consumed = new LinkedBlockingQueue<>();

    Day(int port, ProtocolVersion protocol) {
        var client = LettuceClientConfiguration.builder().clientOptions(ClientOptions.builder().protocolVersion(protocol).build()).build();
        connections = new LettuceConnectionFactory(new RedisStandaloneConfiguration("127.0.0.1", port), client);
        connections.afterPropertiesSet();
        connections.start();
        template = new StringRedisTemplate(connections);
        orders = "order-" + protocol;
        channel = "news-" + protocol;
        streams = StreamMessageListenerContainer.create(connections,
            StreamMessageListenerContainerOptions.builder().pollTimeout(Duration.ofMillis(200)).build());
    }

    void listen() throws Exception {
        channels.setConnectionFactory(connections);
        channels.setRecoveryInterval(50);
        channels.afterPropertiesSet();
        channels.addMessageListener(into(heard), new ChannelTopic(channel));
        channels.addMessageListener(into(matched), new PatternTopic(channel.replace("news", "n*")));
        channels.addMessageListener(into(events), new PatternTopic("__event__:" + orders + "*"));
        channels.addMessageListener(into(expired), new PatternTopic("__keyevent@*__:expired"));
        channels.start();
        // The container subscribes in its own time, and to one pattern after the other.
        for (; heard.isEmpty() || matched.isEmpty() || events.isEmpty(); Thread.sleep(20)) {
            template.convertAndSend(channel, "hello");
            template.opsForStream().add(orders + "-first", Map.of("n", ""));
        }
        equal(List.of(next(heard), next(matched)), List.of("hello", "hello"));

        template.opsForStream().createGroup(orders, ReadOffset.from("0"), "billing");
        streams.register(StreamReadRequest.builder(StreamOffset.create(orders, ReadOffset.lastConsumed()))
            .consumer(Consumer.from("billing", "alice"))
            .autoAcknowledge(false).cancelOnError(e -> false).errorHandler(lost -> {}).build(), record -> {
                consumed.add(record.getValue().get("n"));
                template.opsForStream().acknowledge("billing", record);
            });
        streams.start();
        for (int n = 0; n < 3; n++) template.opsForStream().add(orders, Map.of("n", "" + n));
        for (int n = 0; n < 3; n++) {
            equal(next(consumed), "" + n);
            String event = next(events);
            while (event.contains(orders + "-first")) event = next(events);
            equal(event.contains("\"data\":{\"n\":\"" + n + "\"}"), true);
        }
        template.opsForValue().set("brief-" + orders, "", Duration.ofMillis(1));
        equal(next(expired), "brief-" + orders);
    }

    void strings() {
        var values = template.opsForValue();
        String key = "string-" + orders;
        equal(List.of(values.setIfAbsent(key, "one", Duration.ofHours(1)), values.setIfAbsent(key, "two"),
            values.setIfPresent(key, "three")), List.of(true, false, true));
        equal(List.of(values.append(key, " blind"), values.size(key), values.get(key, 0, 4)), List.of(11, 11L, "three"));
        values.set(key, "mice ", 6);
        equal(values.getAndSet(key, "four"), "three mice ");
        equal(List.of(values.getAndExpire(key, Duration.ofHours(1)), values.getAndPersist(key), values.getAndDelete(key)),
            List.of("four", "four", "four"));
        equal(List.of(values.increment(key), values.increment(key, 41), values.decrement(key), values.increment(key, 0.5)),
            List.of(1L, 42L, 41L, 41.5));
        values.multiSet(Map.of(key + "1", "one", key + "2", "two"));
        equal(values.multiSetIfAbsent(Map.of(key + "2", "", key + "3", "")), false);
        equal(values.multiGet(List.of(key + "1", key + "2", key + "3")), Arrays.asList("one", "two", null));
        equal(List.of(template.expire(key, Duration.ofHours(1)), template.persist(key), template.getExpire(key)),
            List.of(true, true, -1L));
        equal(template.delete(template.keys(key + "?")), 2L);
        equal(template.execute(new SessionCallback<List<Object>>() {
            @Override @SuppressWarnings({"unchecked", "rawtypes"}) public List<Object> execute(RedisOperations operations) {
                operations.watch(key);
                operations.multi();
                operations.opsForValue().increment(key, 1.0);
                operations.opsForStream().add("audit", Map.of("key", key));
                return operations.exec();
            }
        }).get(0), 42.5);
    }

    /** With and without a lock; what is dropped all at once is found by SCAN. */
    void cache() {
        for (var writer : List.of(RedisCacheWriter.nonLockingRedisCacheWriter(connections, BatchStrategies.scan(100)),
            RedisCacheWriter.lockingRedisCacheWriter(connections))) {
            var manager = RedisCacheManager.builder(writer).build();
            manager.afterPropertiesSet();
            Cache cache = manager.getCache("prices-" + orders);
            equal(cache.get("tea", () -> "5"), "5");
            equal(cache.get("tea", () -> "6"), "5");
            equal(cache.putIfAbsent("tea", "7").get(), "5");
            cache.put("milk", "2");
            cache.evict("milk");
            equal(cache.get("milk"), null);
            cache.clear();
            equal(cache.get("tea"), null);
        }
    }

    static final Map<String, String> missing = new LinkedHashMap<>();

    /** It fails for want of this command, and of no other; what works one day has to be moved to the others. */
    void lacks(String command, String what, Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (DataAccessException e) {
            equal(e.getMostSpecificCause().getMessage().replaceAll("(?s)ERR (unknown command )?'([^']*)'.*", "$2"), command);
            missing.merge(command.toUpperCase(), what, (a, b) -> a + ", " + b);
            return;
        }
        throw new AssertionError(what + " works by now");
    }

    void whatIsMissing() throws Exception {
        lacks("evalsha", "`RedisScript`", () -> template.execute(new DefaultRedisScript<>("return 1", Long.class), List.of()));
        lacks("hset", "`opsForHash`, repositories", () -> {
            template.opsForHash().put("hash", "a", "b");
            return null;
        });
        missing.forEach((command, what) -> System.out.println("missing: `" + command + "`: " + what));
    }

    void afterwards() throws Exception {
        // Lettuce connects again, the containers listen again.
        template.opsForStream().add(orders, Map.of("n", "again"));
        equal(next(consumed), "again");
        for (int n = 0; heard.isEmpty() || matched.isEmpty() || events.isEmpty(); n++) {
            equal(n < 600, true);
            template.convertAndSend(channel, "again");
            template.opsForStream().add(orders, Map.of("n", "" + n));
            Thread.sleep(50);
        }
        equal(next(heard), "again");
        streams.stop();
        channels.destroy();
    }

    public static void main(String[] args) {
        try {
            day(Integer.parseInt(args[0]));
            System.exit(0);
        } catch (Throwable e) {
            e.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    static void day(int port) throws Exception {
        System.out.println("version Spring Data Redis " + RedisMessageListenerContainer.class.getPackage().getImplementationVersion() + ", Lettuce "
            + ClientOptions.class.getProtectionDomain().getCodeSource().getLocation().getPath().replaceAll(".*/lettuce-core-(.*)\\.RELEASE\\.jar", "$1"));
        var days = List.of(new Day(port, ProtocolVersion.RESP2), new Day(port, ProtocolVersion.RESP3));
        try (var connection = days.get(0).connections.getConnection()) { // KeyExpirationEventMessageListener does the same
            connection.serverCommands().setConfig("notify-keyspace-events", "Ex");
        }
        for (var day : days) {
            day.listen();
            day.strings();
            day.cache();
        }
        days.get(1).whatIsMissing();
        for (var day : days) for (var queue : List.of(day.heard, day.matched, day.events)) queue.clear();
        System.out.println("crash");
        equal(new BufferedReader(new InputStreamReader(System.in)).readLine(), "restarted");
        for (var day : days) day.afterwards();
        System.out.println("tried: `StreamMessageListenerContainer` in a group");
        System.out.println("tried: `RedisMessageListenerContainer` on channels, patterns, `__event__:order*`, expired keys");
        System.out.println("tried: `RedisCacheManager`; `opsForValue`, `opsForStream`; transactions");
        System.out.println("done");
    }
}
