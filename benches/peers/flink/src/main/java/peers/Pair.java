package peers;

/** What is known of two items that were viewed together. Public, for Flink's own serializer. */
public final class Pair {
    public float weight;
    public int support;
}
