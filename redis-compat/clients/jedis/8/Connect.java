import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.UnifiedJedis;

/** How one connects with Jedis 8. */
class Connect {
    static UnifiedJedis to(int port) {
        String resp = System.getenv("RESP");
        if (resp == null) return RedisClient.create("127.0.0.1", port);
        var config = DefaultJedisClientConfig.builder().protocol(RedisProtocol.valueOf("RESP" + resp)).build();
        return RedisClient.builder().hostAndPort("127.0.0.1", port).clientConfig(config).build();
    }
}
