import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.JedisPooled;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.UnifiedJedis;

/** How one connects with Jedis 5. */
class Connect {
    static UnifiedJedis to(int port) {
        String resp = System.getenv("RESP");
        if (resp == null) return new JedisPooled("127.0.0.1", port);
        var config = DefaultJedisClientConfig.builder().protocol(RedisProtocol.valueOf("RESP" + resp)).build();
        return new JedisPooled(new HostAndPort("127.0.0.1", port), config);
    }
}
