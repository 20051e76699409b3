package io.sage4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.Instruction;
import java.lang.classfile.MethodModel;
import java.lang.classfile.Opcode;
import java.lang.classfile.instruction.ConstantInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.LocalVariable;
import java.lang.constant.ClassDesc;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What TornadoVM 5.2 compiles, checked on the class files, so that a kernel that only a JVM can run is seen at once. */
class KernelRulesTest {
    private static final String API = "uk/ac/manchester/tornado/api/";

    /** Words of OpenCL C and CUDA C that javac accepts as names. */
    private static final Set<String> RESERVED = Set.of(
            "local",
            "global",
            "kernel",
            "constant",
            "half",
            "half2",
            "float2",
            "float4",
            "int2",
            "int4",
            "uchar",
            "uint",
            "ulong",
            "ushort",
            "bool",
            "struct",
            "union",
            "unsigned",
            "signed",
            "sampler_t",
            "event_t",
            "pipe",
            "generic",
            "inline",
            "restrict",
            "typedef",
            "register",
            "extern",
            "sizeof",
            "signbit",
            "fract",
            "mix",
            "step2");

    private static final int MOST_ARGUMENTS = 20;

    private static ClassModel model(Class<?> type) throws IOException {
        try (InputStream in = type.getResourceAsStream(type.getSimpleName() + ".class")) {
            return ClassFile.of().parse(in.readAllBytes());
        }
    }

    private static boolean isKernel(MethodModel m) {
        List<ClassDesc> parameters = m.methodTypeSymbol().parameterList();
        return !parameters.isEmpty() && parameters.get(0).displayName().equals("KernelContext");
    }

    private static boolean runsOnDevice(MethodModel m) {
        return isKernel(m)
                || m.methodTypeSymbol().parameterList().stream().allMatch(KernelRulesTest::isOfDevice)
                        && !m.methodName().stringValue().startsWith("<");
    }

    private static boolean isOfDevice(ClassDesc parameter) {
        String name = parameter.displayName();
        return parameter.isPrimitive() && !name.equals("boolean") || name.endsWith("Array");
    }

    @ParameterizedTest
    @ValueSource(
            classes = {
                AttentionSizes.class,
                Convert.class,
                DeltaS.class,
                Elements.class,
                FlashAttention.class,
                LseCorrection.class,
                Masking.class,
                MmaFp8Attention.class,
                MmaHalfAttention.class,
                MmaTiles.class,
                NaiveAttention.class,
                PvCodes.class,
                QuantizeQk.class,
                QuantizeV.class,
                QuantizedAttention.class,
                Rounding.class,
                TiledAttention.class,
                TokenMeans.class
            })
    void deviceCodeKeepsToWhatTornadoVmCompiles(Class<?> type) throws IOException {
        List<String> faults = new ArrayList<>();
        for (MethodModel m : model(type).methods()) {
            if (runsOnDevice(m)) {
                check(m, type.getSimpleName() + "." + m.methodName().stringValue(), faults);
            }
        }
        assertThat(faults).isEmpty();
    }

    private static void check(MethodModel m, String name, List<String> faults) {
        int returns = 0;
        boolean strictOnly = !name.startsWith("Rounding.");
        Opcode last = null;
        for (CodeElement e : m.code().orElseThrow()) {
            if (e instanceof LocalVariable) {
                String variable = ((LocalVariable) e).name().stringValue();
                if (RESERVED.contains(variable)) {
                    faults.add(name + ": variable " + variable);
                }
            }
            if (e instanceof InvokeInstruction && !isAllowed((InvokeInstruction) e)) {
                InvokeInstruction call = (InvokeInstruction) e;
                faults.add(name + ": calls " + call.owner().asInternalName() + "."
                        + call.name().stringValue());
            }
            if (e instanceof ConstantInstruction && isNaN(((ConstantInstruction) e).constantValue())) {
                faults.add(name + ": NaN constant");
            }
            if (e instanceof Instruction) {
                Opcode opcode = ((Instruction) e).opcode();
                if (opcode.name().endsWith("RETURN")) {
                    returns++;
                }
                if (opcode == Opcode.IUSHR || opcode == Opcode.IAND || opcode == Opcode.ATHROW) {
                    faults.add(name + ": " + opcode);
                }
                // x <= c is FCMPG, IFGT and x >= c is FCMPL, IFLT: TornadoVM takes both as true for NaN.
                boolean loose =
                        last == Opcode.FCMPG && opcode == Opcode.IFGT || last == Opcode.FCMPL && opcode == Opcode.IFLT;
                if (strictOnly && loose) {
                    faults.add(name + ": <= or >= on floats");
                }
                last = opcode;
            }
        }
        if (returns != 1) {
            faults.add(name + ": " + returns + " returns");
        }
        List<ClassDesc> parameters = m.methodTypeSymbol().parameterList();
        if (parameters.size() > MOST_ARGUMENTS) {
            faults.add(name + ": " + parameters.size() + " arguments");
        }
        if (parameters.stream().anyMatch(p -> p.displayName().equals("boolean"))) {
            faults.add(name + ": boolean argument");
        }
    }

    private static boolean isNaN(Object constant) {
        return constant instanceof Float && Float.isNaN((Float) constant);
    }

    private static boolean isAllowed(InvokeInstruction call) {
        String owner = call.owner().asInternalName();
        String method = call.name().stringValue();
        return owner.equals(API + "math/TornadoMath")
                || owner.equals(API + "KernelContext")
                || owner.equals(API + "types/HalfFloat")
                        && Set.of("<init>", "getFloat32", "getHalfFloatValue").contains(method)
                || owner.startsWith(API + "types/arrays/")
                        && Set.of("get", "set", "getSize", "getHalf2").contains(method)
                || owner.equals(API + "types/vectors/Half2")
                        && Set.of("lowFloat", "highFloat").contains(method)
                || owner.startsWith("io/sage4j/kernel/")
                || owner.equals("java/lang/Integer") && method.equals("intValue");
    }
}
