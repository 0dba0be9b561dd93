package peers;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInput;
import java.io.DataInputStream;
import java.io.DataOutput;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The job of ../README.md by the Processor API. Views come by user; what a view met goes to the one partition of a topic between, where
 * all rows are. Stores are in memory; with a changelog where PEER_DURABLE is set.
 */
public final class Job {
    static final long SILENCE_MS = 1_000;

    record View(String user, String item, long ts) {}

    /** A new item of a session, and what it met, the nearest first. */
    record Star(String centre, String[] met) {}

    /** What is known of two items that were viewed together. */
    record Pair(float weight, int support) {}

    record Entry(String item, float weight, int support) {}

    record Listed(String item, List<Entry> entries) {}

    interface Writer<T> {
        void write(T value, DataOutput out) throws IOException;
    }

    interface Reader<T> {
        T read(DataInput in) throws IOException;
    }

    static <T> Serde<T> serde(Writer<T> writer, Reader<T> reader) {
        Serializer<T> serializer = (topic, value) -> {
            if (value == null) {
                return null;
            }
            try {
                ByteArrayOutputStream bytes = new ByteArrayOutputStream(128);
                writer.write(value, new DataOutputStream(bytes));
                return bytes.toByteArray();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        Deserializer<T> deserializer = (topic, bytes) -> {
            if (bytes == null) {
                return null;
            }
            try {
                return reader.read(new DataInputStream(new ByteArrayInputStream(bytes)));
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        return Serdes.serdeFrom(serializer, deserializer);
    }

    static final Serde<Star> STARS = serde(
        (star, out) -> {
            out.writeUTF(star.centre());
            out.writeByte(star.met().length);
            for (String item : star.met()) {
                out.writeUTF(item);
            }
        },
        in -> {
            String centre = in.readUTF();
            String[] met = new String[in.readUnsignedByte()];
            for (int place = 0; place < met.length; place++) {
                met[place] = in.readUTF();
            }
            return new Star(centre, met);
        });

    static final Serde<Session> SESSIONS = serde(Session::write, Session::read);

    static final Serde<Pair> PAIRS = Serdes.serdeFrom(
        (topic, pair) -> pair == null ? null : ByteBuffer.allocate(8).putFloat(pair.weight()).putInt(pair.support()).array(),
        (topic, bytes) -> bytes == null ? null : new Pair(ByteBuffer.wrap(bytes).getFloat(0), ByteBuffer.wrap(bytes).getInt(4)));

    static Serde<View> views() {
        ObjectReader reader = new ObjectMapper()
            .configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false)
            .readerFor(View.class);
        Deserializer<View> deserializer = (topic, bytes) -> {
            try {
                return reader.readValue(bytes);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        return Serdes.serdeFrom((topic, view) -> { throw new UnsupportedOperationException(); }, deserializer);
    }

    /** Views → stars. */
    static final class Sessions implements Processor<byte[], View, String, Star> {
        private ProcessorContext<String, Star> context;
        private KeyValueStore<String, Session> sessions;

        @Override
        public void init(ProcessorContext<String, Star> context) {
            this.context = context;
            sessions = context.getStateStore("sessions");
        }

        @Override
        public void process(Record<byte[], View> record) {
            View view = record.value();
            Session session = sessions.get(view.user());
            if (session == null) {
                session = new Session();
            }
            if (session.view(view.item(), view.ts())) {
                String[] met = session.met();
                session.items.add(view.item());
                if (met.length > 0) {
                    context.forward(record.withKey(view.item()).withValue(new Star(view.item(), met)));
                }
            }
            sessions.put(view.user(), session);
        }
    }

    /** Stars → rows → lists. A pair is an entry of its own: a row is what has the same beginning. */
    static final class Rows implements Processor<String, Star, String, byte[]> {
        private static final int MIN_SUPPORT = 1;
        private static final int LENGTH = 20;
        private static final Comparator<Entry> ORDER =
            Comparator.<Entry>comparingDouble(entry -> -entry.weight()).thenComparing(Entry::item);
        private static final ObjectMapper JSON = new ObjectMapper();
        private static final StringSerializer NAMES = new StringSerializer();

        private final long flushUpdates;
        private final Set<String> dirty = new HashSet<>();
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, Pair> pairs;
        private long updates;
        private long flushed;
        private long seenByTheClock;

        Rows(long flushUpdates) {
            this.flushUpdates = flushUpdates;
        }

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            pairs = context.getStateStore("pairs");
            context.schedule(Duration.ofMillis(SILENCE_MS), PunctuationType.WALL_CLOCK_TIME, now -> {
                if (seenByTheClock == updates) {
                    flush(now);
                }
                seenByTheClock = updates;
            });
        }

        @Override
        public void process(Record<String, Star> record) {
            Star star = record.value();
            dirty.add(star.centre());
            for (int place = 0; place < star.met().length; place++) {
                float weight = (float) (1 / Math.sqrt(place + 1));
                String other = star.met()[place];
                add(star.centre(), other, weight);
                add(other, star.centre(), weight);
                dirty.add(other);
            }
            updates += 2L * star.met().length;
            if (updates - flushed >= flushUpdates) {
                flush(record.timestamp());
            }
        }

        private void add(String anchor, String other, float weight) {
            String key = anchor + '\0' + other;
            Pair pair = pairs.get(key);
            pairs.put(key, pair == null ? new Pair(weight, 1) : new Pair(pair.weight() + weight, pair.support() + 1));
        }

        private void flush(long time) {
            flushed = updates;
            for (String item : dirty) {
                List<Entry> top = top(item);
                if (!top.isEmpty()) {
                    context.forward(new Record<>(item, list(item, top), Math.max(0, time)));
                }
            }
            dirty.clear();
        }

        private List<Entry> top(String anchor) {
            String prefix = anchor + '\0';
            List<Entry> all = new ArrayList<>();
            try (KeyValueIterator<String, Pair> row = pairs.prefixScan(prefix, NAMES)) {
                while (row.hasNext()) {
                    var pair = row.next();
                    if (pair.value.support() >= MIN_SUPPORT) {
                        all.add(new Entry(pair.key.substring(prefix.length()), pair.value.weight(), pair.value.support()));
                    }
                }
            }
            all.sort(ORDER);
            return all.size() > LENGTH ? all.subList(0, LENGTH) : all;
        }

        private static byte[] list(String item, List<Entry> entries) {
            try {
                return JSON.writeValueAsBytes(new Listed(item, entries));
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }

    private static <V> StoreBuilder<KeyValueStore<String, V>> store(String name, Serde<V> serde, boolean isDurable) {
        var builder = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(name), Serdes.String(), serde);
        // With a changelog a cache spares it what changes again before the next commit.
        return isDurable ? builder.withLoggingEnabled(Map.of()).withCachingEnabled() : builder.withLoggingDisabled();
    }

    private Job() {}

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> given = System.getenv();
        boolean isDurable = given.containsKey("PEER_DURABLE");
        long flushUpdates = Long.parseLong(given.get("PEER_FLUSH_UPDATES"));
        var sessions = store("sessions", SESSIONS, isDurable);
        var pairs = store("pairs", PAIRS, isDurable);

        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(sessions).addStateStore(pairs);
        builder.stream(given.get("PEER_SOURCE"), Consumed.with(Serdes.ByteArray(), views()))
            .process(Sessions::new, "sessions")
            .repartition(Repartitioned.with(Serdes.String(), STARS).withName("stars").withNumberOfPartitions(1))
            .process(() -> new Rows(flushUpdates), "pairs")
            .to(given.get("PEER_LISTS"), Produced.with(Serdes.String(), Serdes.ByteArray()));

        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("PEER_GROUP"));
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("PEER_BOOTSTRAP"));
        properties.put(StreamsConfig.STATE_DIR_CONFIG, given.get("PEER_FOLDER"));
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 5_000);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
        CountDownLatch ended = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            if (now.hasCompletedShutdown()) {
                ended.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
        ended.await();
    }
}
