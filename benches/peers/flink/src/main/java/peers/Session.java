package peers;

import java.util.ArrayList;
import java.util.List;

/** The open session of a user. */
public final class Session {
    private static final long GAP_MS = 30 * 60_000L;
    private static final long LONGEST_MS = 4 * 3_600_000L;
    private static final int MAX = 50;
    static final int WINDOW = 20;

    // Public, for Flink's own serializer.
    public long first;
    public long latest;
    public List<String> items = new ArrayList<>(4);

    /** Moves to a view. False when nothing is counted of it. */
    boolean view(String item, long time) {
        if (!items.isEmpty() && latest - time > GAP_MS) {
            return false; // late
        }
        if (items.isEmpty() || time - latest > GAP_MS || time - first > LONGEST_MS) {
            items.clear();
            first = time;
            latest = time;
        }
        latest = Math.max(latest, time);
        return items.size() < MAX && !items.contains(item);
    }
}
