package io.sage4j.tornadojvm;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.Attribute;
import java.lang.classfile.ClassElement;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeModel;
import java.lang.classfile.CodeTransform;
import java.lang.classfile.MethodModel;
import java.lang.classfile.MethodTransform;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.attribute.SourceFileAttribute;
import java.lang.classfile.instruction.ArrayLoadInstruction;
import java.lang.classfile.instruction.ArrayStoreInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.AccessFlag;
import java.util.HashSet;
import java.util.Set;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;

/**
 * Copies the static methods of a class so that every access to a Java array first tells {@link RaceCheck}.
 *
 * <p>The copy is a hidden class in the package, the loader and the nest of the original: it may call whatever the
 * original may, and shares its static fields. Calls among the copied methods stay in the copy. Methods of other classes
 * run as they are, so what they do to a local array is not seen; TornadoVM does not let local arrays be passed on.
 */
final class InstrumentedCopy {
    /** Part of the names of all copies. */
    static final String SUFFIX = "$$checked";

    private static final ClassDesc RACE_CHECK = describe(RaceCheck.class);
    private static final ClassDesc WORK_ITEM = describe(WorkItem.class);
    private static final MethodTypeDesc CURRENT = MethodTypeDesc.of(WORK_ITEM);
    private static final MethodTypeDesc ACCESS =
            MethodTypeDesc.of(ConstantDescs.CD_void, ConstantDescs.CD_Object, ConstantDescs.CD_int, WORK_ITEM);

    private InstrumentedCopy() {}

    /** Defines the copy of a class. */
    static Class<?> of(Class<?> original) {
        try {
            return MethodHandles.privateLookupIn(original, MethodHandles.lookup())
                    .defineHiddenClass(rewrite(original), true, MethodHandles.Lookup.ClassOption.NESTMATE)
                    .lookupClass();
        } catch (IllegalAccessException e) {
            TornadoRuntimeException error = new TornadoRuntimeException("the race check cannot copy "
                    + original.getName() + ": its module must open the package to tornado-jvm, or be the unnamed one");
            error.initCause(e);
            throw error;
        } catch (IOException e) {
            throw new TornadoRuntimeException(e);
        }
    }

    private static byte[] rewrite(Class<?> original) throws IOException {
        ClassModel model = ClassFile.of().parse(bytes(original));
        ClassDesc self = describe(original);
        ClassDesc copy = ClassDesc.of(original.getName() + SUFFIX);
        Set<String> copied = new HashSet<>();
        for (MethodModel method : model.methods()) {
            if (isCopied(method)) {
                copied.add(key(method.methodName().stringValue(), method.methodTypeSymbol()));
            }
        }
        ClassLoader loader = original.getClassLoader();
        ClassHierarchyResolver resolver =
                ClassHierarchyResolver.ofClassLoading(loader == null ? ClassLoader.getPlatformClassLoader() : loader);
        return ClassFile.of(ClassFile.ClassHierarchyResolverOption.of(resolver)).build(copy, builder -> {
            builder.withVersion(model.majorVersion(), model.minorVersion());
            builder.withFlags(AccessFlag.FINAL, AccessFlag.SUPER, AccessFlag.SYNTHETIC);
            for (ClassElement element : model) {
                if (element instanceof MethodModel method && isCopied(method)) {
                    builder.transformMethod(
                            method,
                            MethodTransform.dropping(part -> !(part instanceof CodeModel))
                                    .andThen(MethodTransform.transformingCode(new Instrument(self, copy, copied))));
                } else if (element instanceof SourceFileAttribute) {
                    builder.with(element);
                }
            }
        });
    }

    private static boolean isCopied(MethodModel method) {
        return method.flags().has(AccessFlag.STATIC)
                && method.code().isPresent()
                && !method.methodName().equalsString(ConstantDescs.CLASS_INIT_NAME);
    }

    private static String key(String name, MethodTypeDesc type) {
        return name + type.descriptorString();
    }

    private static byte[] bytes(Class<?> type) throws IOException {
        String file = type.getName().substring(type.getName().lastIndexOf('.') + 1) + ".class";
        try (InputStream in = type.getResourceAsStream(file)) {
            if (in == null) {
                throw new IOException("class file of " + type.getName() + " not found, which the race check rewrites");
            }
            return in.readAllBytes();
        }
    }

    private static ClassDesc describe(Class<?> type) {
        return ClassDesc.ofDescriptor(type.descriptorString());
    }

    /** Puts a call before every array access; the work-item is looked up once per method. */
    private static final class Instrument implements CodeTransform {
        private final ClassDesc self;
        private final ClassDesc copy;
        private final Set<String> copied;
        private int item = -1;

        Instrument(ClassDesc self, ClassDesc copy, Set<String> copied) {
            this.self = self;
            this.copy = copy;
            this.copied = copied;
        }

        @Override
        public void atStart(CodeBuilder code) {
            item = code.allocateLocal(TypeKind.REFERENCE);
            code.invokestatic(RACE_CHECK, "current", CURRENT).astore(item);
        }

        @Override
        public void accept(CodeBuilder code, CodeElement element) {
            if (element instanceof ArrayLoadInstruction) {
                code.dup2().aload(item).invokestatic(RACE_CHECK, "read", ACCESS).with(element);
            } else if (element instanceof ArrayStoreInstruction store) {
                if (store.typeKind().slotSize() == 1) {
                    // array index value -> value array index -> array index value array index
                    code.dup_x2().pop().dup2_x1();
                } else {
                    code.dup2_x2().pop2().dup2_x2();
                }
                code.aload(item).invokestatic(RACE_CHECK, "write", ACCESS).with(element);
            } else if (element instanceof InvokeInstruction call && staysInCopy(call)) {
                code.invokestatic(copy, call.name().stringValue(), call.typeSymbol());
            } else if (!(element instanceof Attribute)) {
                code.with(element);
            }
        }

        private boolean staysInCopy(InvokeInstruction call) {
            return call.opcode() == Opcode.INVOKESTATIC
                    && call.owner().asSymbol().equals(self)
                    && copied.contains(key(call.name().stringValue(), call.typeSymbol()));
        }
    }
}
