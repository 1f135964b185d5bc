import redis.clients.jedis.JedisPooled;
import redis.clients.jedis.UnifiedJedis;

/** How one connects with Jedis 5. */
class Connect {
    static UnifiedJedis to(int port) {
        return new JedisPooled("127.0.0.1", port);
    }
}
