import redis.clients.jedis.RedisClient;
import redis.clients.jedis.UnifiedJedis;

/** How one connects with Jedis 8. */
class Connect {
    static UnifiedJedis to(int port) {
        return RedisClient.create("127.0.0.1", port);
    }
}
