import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.output.NestedMultiOutput;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.dao.DataAccessException;
import org.springframework.data.domain.Range;
import org.springframework.data.redis.connection.RedisStandaloneConfiguration;
import org.springframework.data.redis.connection.lettuce.LettuceConnection;
import org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory;
import org.springframework.data.redis.connection.stream.Consumer;
import org.springframework.data.redis.connection.stream.MapRecord;
import org.springframework.data.redis.connection.stream.PendingMessage;
import org.springframework.data.redis.connection.stream.ReadOffset;
import org.springframework.data.redis.connection.stream.StreamOffset;
import org.springframework.data.redis.core.StreamOperations;
import org.springframework.data.redis.core.StringRedisTemplate;
import org.springframework.data.redis.stream.StreamMessageListenerContainer;
import org.springframework.data.redis.stream.StreamMessageListenerContainer.StreamMessageListenerContainerOptions;
import org.springframework.data.redis.stream.StreamMessageListenerContainer.StreamReadRequest;

/**
 * A saga's day with Spring Data Redis (../README.md): orders are published to order-0, order-1 … and a listener consumes them in a
 * group on @category:order; in the middle of it the server is killed. What the listener did not acknowledge is claimed, as Spring's
 * users do it: pending, then claim. Usage: Saga PORT; started by ../run.
 */
class Saga {
    static final String VIRTUAL = "@category:order";
    static final int STREAMS = 5;
    static StreamOperations<String, String, String> ops;
    static final Map<Integer, Boolean> seen = new ConcurrentHashMap<>();
    static final Map<String, Boolean> delivered = new ConcurrentHashMap<>(); // entries
    static final Set<String> acknowledged = ConcurrentHashMap.newKeySet(), unclear = ConcurrentHashMap.newKeySet();
    static final Map<String, Integer> last = new HashMap<>();
    static final AtomicInteger orders = new AtomicInteger(); // how many there are, once that is known
    static final AtomicBoolean back = new AtomicBoolean(), asked = new AtomicBoolean(), closed = new AtomicBoolean();

    static void check(boolean good, String what) {
        if (good) return;
        new AssertionError(what).printStackTrace();
        Runtime.getRuntime().halt(1);
    }

    /** 0 is no answer: Lettuce sends again by itself what was not answered when the connection was lost. */
    static void acknowledge(MapRecord<String, String, String> record) {
        String id = record.getId().getValue();
        try {
            Long answer = ops.acknowledge(VIRTUAL, "saga", id);
            (answer == 1 ? acknowledged : unclear).add(id);
        } catch (DataAccessException lost) {
            unclear.add(id);
        }
    }

    /** One thread calls it, a record at a time. Every seventh order is not acknowledged. */
    static void take(MapRecord<String, String, String> record) {
        String stream = record.getValue().get("@stream"), id = record.getId().getValue();
        check(!acknowledged.contains(id), id + " comes again, but was acknowledged");
        delivered.put(id, true);
        if ("order.closed".equals(record.getValue().get("type"))) { // EAPPEND's
            check("paid".equals(record.getValue().get("payload")) && "order-9".equals(stream), record.toString());
            closed.set(true);
            acknowledge(record);
            return;
        }
        int n = Integer.parseInt(record.getValue().get("n"));
        check(stream.equals("order-" + n % STREAMS), record.toString());
        // Of an order whose publishing had no answer there may be two entries.
        if (seen.put(n, true) == null) {
            Integer before = last.put(stream, n);
            check(before == null || before < n, n + " comes behind " + before);
        }
        if (n % 7 != 3) acknowledge(record);
        if (seen.size() >= 60 && asked.compareAndSet(false, true)) System.out.println("crash");
    }

    /** Until the server was killed and is back, and fifty more; each until it is answered. */
    static void publish() {
        int n = 0;
        for (int left = 50; left > 0; n++) {
            if (back.get()) left--;
            for (;;) {
                try {
                    ops.add("order-" + n % STREAMS, Map.of("n", "" + n));
                    break;
                } catch (DataAccessException lost) {
                    pause();
                }
            }
        }
        orders.set(n);
    }

    static void pause() {
        try {
            Thread.sleep(50);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
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
        System.out.println("version " + StreamMessageListenerContainer.class.getPackage().getImplementationVersion());
        var connections = new LettuceConnectionFactory(new RedisStandaloneConfiguration("127.0.0.1", port));
        connections.afterPropertiesSet();
        connections.start();
        var template = new StringRedisTemplate(connections);
        ops = template.opsForStream();
        check("OK".equals(ops.createGroup(VIRTUAL, ReadOffset.from("0"), "saga")), "the group was not made");

        var container = StreamMessageListenerContainer.create(connections,
            StreamMessageListenerContainerOptions.builder().pollTimeout(Duration.ofMillis(500)).batchSize(10).build());
        container.register(StreamReadRequest.builder(StreamOffset.create(VIRTUAL, ReadOffset.lastConsumed()))
            .consumer(Consumer.from("saga", "w1")).autoAcknowledge(false)
            .cancelOnError(e -> false).errorHandler(lost -> pause()).build(), Saga::take);
        container.start();

        var publishing = new Thread(Saga::publish);
        publishing.start();
        check("restarted".equals(new BufferedReader(new InputStreamReader(System.in)).readLine()), "not restarted");
        back.set(true);
        publishing.join();

        // execute() alone reads no reply that has numbers in it.
        try (var c = (LettuceConnection) connections.getConnection()) {
            c.execute("EAPPEND", new NestedMultiOutput<>(ByteArrayCodec.INSTANCE), "order-9".getBytes(), "order.closed".getBytes(),
                "PAYLOAD".getBytes(), "paid".getBytes());
        }

        // What was delivered into a lost connection is pending, too, and no order is missing that is not.
        while (!closed.get()) pause();
        container.stop();
        for (;;) {
            var pending = ops.pending(VIRTUAL, "saga", Range.unbounded(), 100L);
            if (pending.isEmpty()) break;
            for (PendingMessage p : pending)
                for (var record : ops.claim(VIRTUAL, "saga", "w2", Duration.ZERO, p.getId())) {
                    check(!acknowledged.contains(record.getId().getValue()), record.getId() + " is pending, but was acknowledged");
                    delivered.put(record.getId().getValue(), true);
                    seen.put(Integer.parseInt(record.getValue().get("n")), true);
                    acknowledge(record);
                }
        }
        for (int n = 0; n < orders.get(); n++) check(seen.containsKey(n), "order " + n + " never came");
        var lost = new HashSet<>(delivered.keySet());
        lost.removeAll(acknowledged);
        lost.removeAll(unclear);
        check(lost.isEmpty(), "neither acknowledged nor pending: " + lost);
        check(ops.size(VIRTUAL) == delivered.size(), ops.size(VIRTUAL) + " entries, " + delivered.size() + " were delivered");
        System.out.println("done");
    }
}
