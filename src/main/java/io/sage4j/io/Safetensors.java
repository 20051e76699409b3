package io.sage4j.io;

import io.sage4j.SageException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * A safetensors file: named arrays and string metadata. The header is checked as a whole when the file is opened; the
 * elements are memory-mapped and looked at only when they are used.
 *
 * <p>Layout: the header's length (8 bytes), the header as JSON, the elements of all tensors without holes.
 */
public final class Safetensors {
    private static final int LENGTH_BYTES = 8;
    private static final long LONGEST_HEADER = 100_000_000;
    private static final int ALIGNMENT = 64;
    private static final int NAMES_SHOWN = 12;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String name;
    private final SafetensorsHeader header;
    private final MemorySegment data;

    private Safetensors(String name, SafetensorsHeader header, MemorySegment data) {
        this.name = name;
        this.header = header;
        this.data = data;
    }

    /**
     * Opens a file.
     *
     * @throws SageException if it cannot be read or its header is not as the format says
     */
    public static Safetensors open(Path file) {
        return read(OneLine.of(file.toString()), FileInput.map(file));
    }

    /**
     * Reads the bytes of a file.
     *
     * @param name what error messages call the file
     * @param file its bytes
     * @throws SageException if the header is not as the format says
     */
    public static Safetensors read(String name, MemorySegment file) {
        long size = file.byteSize();
        if (size < LENGTH_BYTES) {
            throw new SageException(name + ": is no safetensors file: has " + size
                    + " bytes, expected 8 or more for the header's length");
        }
        long length = file.get(LONG, 0);
        if (length < 0 || length > LONGEST_HEADER) {
            throw new SageException(name + ": is no safetensors file: claims a header of "
                    + Long.toUnsignedString(length) + " bytes, expected at most " + LONGEST_HEADER);
        }
        if (length > size - LENGTH_BYTES) {
            throw new SageException(name + ": is cut off, or no safetensors file: claims a header of " + length
                    + " bytes, " + (size - LENGTH_BYTES) + " bytes follow");
        }
        if (length == 0 || file.get(ValueLayout.JAVA_BYTE, LENGTH_BYTES) != '{') {
            throw new SageException(name + ": is no safetensors file: byte 8 is " + hex(file.asSlice(LENGTH_BYTES), 1)
                    + ", expected 7b ('{'), the start of the header");
        }
        MemorySegment data = file.asSlice(LENGTH_BYTES + length);
        byte[] json = file.asSlice(LENGTH_BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        return new Safetensors(name, SafetensorsHeader.parse(name, json, data.byteSize()), data);
    }

    /** The first bytes of a file, for people. */
    static String hex(MemorySegment file, int count) {
        if (file.byteSize() == 0) {
            return "(none)";
        }
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count && i < file.byteSize(); i++) {
            text.append(String.format(i == 0 ? "%02x" : " %02x", file.get(ValueLayout.JAVA_BYTE, i)));
        }
        return text.toString();
    }

    /** Strings about the file. */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /** Names of the tensors, in the order of the header. */
    public Set<String> names() {
        return header.tensors().keySet();
    }

    /**
     * A tensor.
     *
     * @throws SageException if there is none of the name, or its element type is unknown
     */
    public NdArray tensor(String tensor) {
        SafetensorsHeader.Entry entry = header.tensors().get(tensor);
        if (entry == null) {
            throw new SageException(name + ": has no tensor " + OneLine.quoted(tensor) + ", it has " + namesShown());
        }
        ElementType type = entry.elementType()
                .orElseThrow(() -> new SageException(name + ": tensor " + OneLine.quoted(tensor) + " has dtype "
                        + OneLine.quoted(entry.dtype()) + ", expected F32, F16 or BF16, or BOOL for a mask"));
        MemorySegment elements = data.asSlice(entry.begin(), entry.end() - entry.begin());
        return new NdArray(type, entry.shape(), NdArray.aligned(elements, type));
    }

    private String namesShown() {
        if (names().isEmpty()) {
            return "none";
        }
        String shown = names().stream().limit(NAMES_SHOWN).map(OneLine::quoted).collect(Collectors.joining(", "));
        return names().size() > NAMES_SHOWN ? shown + " and " + (names().size() - NAMES_SHOWN) + " more" : shown;
    }

    /**
     * Writes a file, whole or not at all.
     *
     * @param tensors arrays by name
     * @param metadata strings about the file
     * @throws SageException if the target cannot be written
     */
    public static void write(Path target, Map<String, NdArray> tensors, Map<String, String> metadata) {
        AtomicFile.write(target, body(tensors, metadata));
    }

    /** What {@link #write} writes, for files that are to appear together with others. */
    public static AtomicFile.Body body(Map<String, NdArray> tensors, Map<String, String> metadata) {
        if (tensors.containsKey(SafetensorsHeader.METADATA)) {
            throw new SageException(
                    "a tensor cannot be called '" + SafetensorsHeader.METADATA + "', choose another name");
        }
        // Widest elements first, so that each tensor is aligned without holes between them.
        Map<String, NdArray> sorted = new LinkedHashMap<>();
        List<Map.Entry<String, NdArray>> order = new TreeMap<>(tensors)
                .entrySet().stream()
                        .sorted(Comparator.comparing(e -> -e.getValue().type().bytes()))
                        .toList();
        order.forEach(e -> sorted.put(e.getKey(), e.getValue()));
        byte[] json = SafetensorsHeader.format(sorted, metadata);
        int padding = Math.floorMod(-(LENGTH_BYTES + json.length), ALIGNMENT);
        byte[] length = new byte[LENGTH_BYTES];
        MemorySegment.ofArray(length).set(LONG, 0, json.length + padding);
        byte[] spaces = " ".repeat(padding).getBytes(StandardCharsets.US_ASCII);
        return channel -> {
            for (byte[] part : List.of(length, json, spaces)) {
                AtomicFile.write(channel, MemorySegment.ofArray(part));
            }
            for (NdArray array : sorted.values()) {
                AtomicFile.write(channel, array.data());
            }
        };
    }
}
