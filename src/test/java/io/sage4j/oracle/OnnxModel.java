package io.sage4j.oracle;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The bytes of a small ONNX model in float64: a chain of operators over named tensors of any rank. Just the few
 * protobuf fields that such a model needs, numbered as in onnx.proto3.
 */
final class OnnxModel {
    private static final int DOUBLE = 11;

    private final ByteArrayOutputStream graph = new ByteArrayOutputStream();

    OnnxModel(List<String> inputs, String output) {
        bytes(graph, 2, text("attention"));
        for (String input : inputs) {
            bytes(graph, 11, tensor(input));
        }
        bytes(graph, 12, tensor(output));
    }

    /** NodeProto without attributes. */
    OnnxModel node(String operator, List<String> inputs, String output) {
        bytes(graph, 1, nodeBytes(operator, inputs, output).toByteArray());
        return this;
    }

    /** Transpose with the attribute {@code perm}. */
    OnnxModel transpose(String input, String output, int... permutation) {
        ByteArrayOutputStream attribute = new ByteArrayOutputStream();
        bytes(attribute, 1, text("perm"));
        for (int axis : permutation) {
            number(attribute, 8, axis);
        }
        number(attribute, 20, 7);
        ByteArrayOutputStream node = nodeBytes("Transpose", List.of(input), output);
        bytes(node, 5, attribute.toByteArray());
        bytes(graph, 1, node.toByteArray());
        return this;
    }

    private static ByteArrayOutputStream nodeBytes(String operator, List<String> inputs, String output) {
        ByteArrayOutputStream node = new ByteArrayOutputStream();
        for (String input : inputs) {
            bytes(node, 1, text(input));
        }
        bytes(node, 2, text(output));
        bytes(node, 4, text(operator));
        return node;
    }

    /** ModelProto: IR version 8, operator set 13. */
    byte[] toBytes() {
        ByteArrayOutputStream operators = new ByteArrayOutputStream();
        number(operators, 2, 13);
        ByteArrayOutputStream model = new ByteArrayOutputStream();
        number(model, 1, 8);
        bytes(model, 7, graph.toByteArray());
        bytes(model, 8, operators.toByteArray());
        return model.toByteArray();
    }

    /** ValueInfoProto of a float64 tensor without a shape. */
    private static byte[] tensor(String name) {
        ByteArrayOutputStream element = new ByteArrayOutputStream();
        number(element, 1, DOUBLE);
        ByteArrayOutputStream type = new ByteArrayOutputStream();
        bytes(type, 1, element.toByteArray());
        ByteArrayOutputStream info = new ByteArrayOutputStream();
        bytes(info, 1, text(name));
        bytes(info, 2, type.toByteArray());
        return info.toByteArray();
    }

    private static byte[] text(String value) {
        return value.getBytes(StandardCharsets.UTF_8);
    }

    private static void number(ByteArrayOutputStream out, int field, int value) {
        varint(out, field << 3);
        varint(out, value);
    }

    private static void bytes(ByteArrayOutputStream out, int field, byte[] value) {
        varint(out, field << 3 | 2);
        varint(out, value.length);
        out.writeBytes(value);
    }

    private static void varint(ByteArrayOutputStream out, int value) {
        int rest = value;
        while (rest > 127) {
            out.write(rest & 127 | 128);
            rest >>>= 7;
        }
        out.write(rest);
    }
}
