package peers;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayList;

/** The open session of a user. */
final class Session {
    static final long GAP_MS = 30 * 60_000L;
    static final long LONGEST_MS = 4 * 3_600_000L;
    static final int MAX = 50;
    static final int WINDOW = 20;

    long first;
    long latest;
    final ArrayList<String> items = new ArrayList<>(4);

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

    /** What a new item meets, the nearest first. */
    String[] met() {
        int count = Math.min(items.size(), WINDOW);
        String[] met = new String[count];
        for (int distance = 1; distance <= count; distance++) {
            met[distance - 1] = items.get(items.size() - distance);
        }
        return met;
    }

    void write(DataOutput out) throws IOException {
        out.writeLong(first);
        out.writeLong(latest);
        out.writeByte(items.size());
        for (String item : items) {
            out.writeUTF(item);
        }
    }

    static Session read(DataInput in) throws IOException {
        Session session = new Session();
        session.first = in.readLong();
        session.latest = in.readLong();
        int count = in.readUnsignedByte();
        for (int place = 0; place < count; place++) {
            session.items.add(in.readUTF());
        }
        return session;
    }
}
