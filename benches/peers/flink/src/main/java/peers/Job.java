package peers;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * The job of ../README.md: views by user, pairs by item. State is in the heap (hashmap); with checkpoints where PEER_DURABLE is set.
 *
 * <p>Lists go out by timers of event time, as Flink has them: all that changed, when a span of it is over, and when the topic has been
 * read to the end that it had at start.
 */
public final class Job {
    /** User, item, time. */
    static final class Views extends AbstractDeserializationSchema<Tuple3<String, String, Long>> {
        public record View(String user, String item, long ts) {}

        private transient ObjectReader reader;

        Views() {
            super(TypeInformation.of(new TypeHint<>() {}));
        }

        @Override
        public void open(InitializationContext context) {
            reader = new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false).readerFor(View.class);
        }

        @Override
        public Tuple3<String, String, Long> deserialize(byte[] message) throws IOException {
            View view = reader.readValue(message);
            return Tuple3.of(view.user(), view.item(), view.ts());
        }
    }

    /** Views of a user → anchor, other, weight. */
    static final class Sessions extends KeyedProcessFunction<String, Tuple3<String, String, Long>, Tuple3<String, String, Float>> {
        private transient ValueState<Session> sessions;

        @Override
        public void open(OpenContext context) {
            sessions = getRuntimeContext().getState(new ValueStateDescriptor<>("session", Session.class));
        }

        @Override
        public void processElement(
            Tuple3<String, String, Long> view, Context context, Collector<Tuple3<String, String, Float>> out) throws IOException {
            Session session = sessions.value();
            if (session == null) {
                session = new Session();
            }
            String item = view.f1;
            if (session.view(item, view.f2)) {
                List<String> items = session.items;
                for (int distance = 1; distance <= Math.min(items.size(), Session.WINDOW); distance++) {
                    String other = items.get(items.size() - distance);
                    float weight = (float) (1 / Math.sqrt(distance));
                    out.collect(Tuple3.of(item, other, weight));
                    out.collect(Tuple3.of(other, item, weight));
                }
                items.add(item);
            }
            sessions.update(session);
        }
    }

    /** Pairs of an item → its list. */
    static final class Rows extends KeyedProcessFunction<String, Tuple3<String, String, Float>, Tuple2<String, byte[]>> {
        private static final int MIN_SUPPORT = 1;
        private static final int LENGTH = 20;
        /** What comes when a topic has been read. */
        private static final long END = Long.MAX_VALUE - 1;

        public record Entry(String item, float weight, int support) {}

        public record Listed(String item, List<Entry> entries) {}

        private static final Comparator<Entry> ORDER =
            Comparator.<Entry>comparingDouble(entry -> -entry.weight()).thenComparing(Entry::item);
        private final long flushMs;
        private transient MapState<String, Pair> pairs;
        private transient ObjectMapper json;

        Rows(long flushMs) {
            this.flushMs = flushMs;
        }

        @Override
        public void open(OpenContext context) {
            pairs = getRuntimeContext().getMapState(new MapStateDescriptor<>("pairs", String.class, Pair.class));
            json = new ObjectMapper();
        }

        @Override
        public void processElement(Tuple3<String, String, Float> met, Context context, Collector<Tuple2<String, byte[]>> out)
            throws Exception {
            Pair pair = pairs.get(met.f1);
            if (pair == null) {
                pair = new Pair();
            }
            pair.weight += met.f2;
            pair.support++;
            pairs.put(met.f1, pair);
            // The same timer is registered once.
            context.timerService().registerEventTimeTimer(flushMs == 0 ? END : (context.timestamp() / flushMs + 1) * flushMs);
        }

        @Override
        public void onTimer(long time, OnTimerContext context, Collector<Tuple2<String, byte[]>> out) throws Exception {
            List<Entry> all = new ArrayList<>();
            for (Map.Entry<String, Pair> pair : pairs.entries()) {
                if (pair.getValue().support >= MIN_SUPPORT) {
                    all.add(new Entry(pair.getKey(), pair.getValue().weight, pair.getValue().support));
                }
            }
            all.sort(ORDER);
            if (!all.isEmpty()) {
                String item = context.getCurrentKey();
                List<Entry> top = all.size() > LENGTH ? all.subList(0, LENGTH) : all;
                out.collect(Tuple2.of(item, json.writeValueAsBytes(new Listed(item, top))));
            }
        }
    }

    /** A list → a record of the topic. */
    record Records(String topic) implements KafkaRecordSerializationSchema<Tuple2<String, byte[]>> {
        @Override
        public ProducerRecord<byte[], byte[]> serialize(Tuple2<String, byte[]> list, KafkaSinkContext context, Long time) {
            return new ProducerRecord<>(topic, list.f0.getBytes(StandardCharsets.UTF_8), list.f1);
        }
    }

    private Job() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> given = System.getenv();
        Configuration configuration = new Configuration();
        configuration.setString("state.backend.type", "hashmap");
        if (given.containsKey("PEER_DURABLE")) {
            configuration.setString("execution.checkpointing.interval", "5s");
            configuration.setString("execution.checkpointing.storage", "filesystem");
            configuration.setString("execution.checkpointing.dir", "file://" + given.get("PEER_FOLDER") + "/checkpoints");
        }
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(1, configuration);
        environment.getConfig().enableObjectReuse();

        KafkaSource<Tuple3<String, String, Long>> source = KafkaSource.<Tuple3<String, String, Long>>builder()
            .setBootstrapServers(given.get("PEER_BOOTSTRAP"))
            .setTopics(given.get("PEER_SOURCE"))
            .setGroupId(given.get("PEER_GROUP"))
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setBounded(OffsetsInitializer.latest())
            .setValueOnlyDeserializer(new Views())
            .build();
        KafkaSink<Tuple2<String, byte[]>> lists = KafkaSink.<Tuple2<String, byte[]>>builder()
            .setBootstrapServers(given.get("PEER_BOOTSTRAP"))
            .setProperty("compression.type", "lz4")
            .setProperty("linger.ms", "50")
            .setProperty("batch.size", String.valueOf(256 << 10))
            .setRecordSerializer(new Records(given.get("PEER_LISTS")))
            .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
            .build();

        var watermarks = WatermarkStrategy.<Tuple3<String, String, Long>>forMonotonousTimestamps()
            .withTimestampAssigner((view, unused) -> view.f2);
        environment.fromSource(source, watermarks, "views")
            .keyBy(view -> view.f0, Types.STRING)
            .process(new Sessions())
            .returns(new TypeHint<Tuple3<String, String, Float>>() {})
            .keyBy(met -> met.f0, Types.STRING)
            .process(new Rows(Long.parseLong(given.get("PEER_FLUSH_MS"))))
            .returns(new TypeHint<Tuple2<String, byte[]>>() {})
            .sinkTo(lists);
        environment.execute("viewed-together");
        // At rest, as what follows a topic for ever would be. ../run ends it.
        Thread.sleep(Long.MAX_VALUE);
    }
}
