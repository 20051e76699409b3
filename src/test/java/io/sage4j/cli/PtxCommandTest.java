package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.ptx.kernel.NativeKernel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PtxCommandTest {
    private static final String HOPPER = "ptx --kernel wgmma-attention --variant int8-fp8-sm90";

    @TempDir
    Path folder;

    private static CliRun run(String command) {
        return CliRun.of((Object[]) command.split(" "));
    }

    @ParameterizedTest
    @EnumSource(NativeKernel.class)
    void everyKernelIsListedAndPrinted(NativeKernel kernel) {
        assertThat(run("ptx --list").succeeds().out()).contains(kernel + " ").contains(kernel.summary());
        boolean hopper =
                kernel.toString().startsWith("wgmma") || kernel.toString().startsWith("quantize-kv");
        String variant = hopper ? "int8-fp8-sm90" : "int8-fp8";
        assertThat(run("ptx --kernel " + kernel + " --variant " + variant)
                        .succeeds()
                        .out())
                .startsWith(".version ")
                .contains(".target sm_90a")
                .contains(".visible .entry ");
    }

    @ParameterizedTest
    @EnumSource(NativeKernel.class)
    void everyKernelHasADefaultVariant(NativeKernel kernel) {
        assertThat(run("ptx --kernel " + kernel).succeeds().out()).startsWith(".version ");
    }

    @Test
    void optionsChangeTheKernel() {
        assertThat(run(HOPPER).succeeds().out()).doesNotContain("_diagonal").doesNotContain("_lse");
        assertThat(run(HOPPER + " --causal --lse").succeeds().out())
                .contains("_diagonal")
                .contains("_lse");
        assertThat(run(HOPPER + " --head-dim 33 --stats").succeeds().out())
                .contains("threads 512")
                .contains("n72k32");
        assertThat(run(HOPPER + " --stats").succeeds().out())
                .contains("threads 384")
                .contains("n136k32");
        assertThat(run(HOPPER + " --dtype bfloat16").succeeds().out()).contains("cvt.rn.bf16x2.f32");
    }

    @ParameterizedTest
    @CsvSource({"fp16, float16", "bf16, bfloat16"})
    void aTypeHasTwoNames(String name, String longName) {
        assertThat(run(HOPPER + " --dtype " + name).succeeds().out())
                .isEqualTo(run(HOPPER + " --dtype " + longName).out());
    }

    @Test
    void theListSaysWhereAKernelRuns() {
        assertThat(run("ptx --list").succeeds().out().lines())
                .hasSize(NativeKernel.values().length)
                .allMatch(line -> line.contains("sm_"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"quantize-q", "quantize-k", "quantize-v"})
    void aQuantizerWritesForTheTilesOfTheVariant(String kernel) {
        String mma =
                run("ptx --kernel " + kernel + " --variant int8-fp8").succeeds().out();
        String wgmma = run("ptx --kernel " + kernel + " --variant int8-fp8-sm90")
                .succeeds()
                .out();
        // Swizzled rows: the chunk of a row is exchanged, which the other layout does not do.
        assertThat(wgmma).contains("xor.b32");
        assertThat(mma).doesNotContain("xor.b32");
    }

    @Test
    void aFileGetsWhatWouldBePrinted() throws IOException {
        Path file = folder.resolve("a.ptx");
        run(HOPPER + " -o " + file).succeeds();
        assertThat(Files.readString(file)).isEqualTo(run(HOPPER).out());
    }

    @ParameterizedTest
    @CsvSource({
        "ptx, --kernel",
        "ptx --kernel none, unknown kernel 'none'",
        "ptx --kernel k-mean --arch sm_1, unknown target 'sm_1'",
        "ptx --kernel wgmma-attention --variant int8-fp8, 'has Hopper tiles, variant int8-fp8 has not'",
        "ptx --kernel quantize-kv --variant int8-fp8, such as int8-fp8-sm90",
        "ptx --kernel k-mean --causal, --causal changes nothing in kernel k-mean",
        "ptx --kernel quantize-v --variant int8-fp8 --lse, --lse changes nothing in kernel quantize-v",
        "ptx --kernel mma-attention --list, mutually exclusive",
        "ptx --kernel wgmma-attention --variant int8-fp8-sm90 --arch sm_89, sm_90",
        "ptx --kernel mma-attention --variant int8-fp8 --arch sm_80, needs sm_89",
        "ptx --kernel mma-attention --variant int4-fp8 --head-dim 160, up to 128 with smooth Q",
        "ptx --kernel quantize-k --variant naive, 'INT8 or INT4 Q and K, not FP32'",
        "ptx --kernel quantize-q --variant int8-fp8-sm90 --smooth-q, without smooth Q",
        "ptx --kernel quantize-k --granularity per-token, one scale a thread",
        "ptx --kernel v-scale --variant int8-fp16, 'for E4M3, not for FP16'",
        "ptx --kernel k-mean --head-dim 257, 1 to 256",
        "ptx --kernel k-mean --variant int8-fp8-sm90 --head-dim 129, 1..128",
        "ptx --kernel k-mean --dtype float32, expected fp16 or bf16",
    })
    void badInputIsOneLineThatSaysWhatWasExpected(String command, String why) {
        run(command).refuses(why);
    }

    @Test
    void aRefusedCallLeavesNoFile() {
        Path file = folder.resolve("b.ptx");
        run("ptx --kernel none -o " + file).refuses("unknown kernel");
        assertThat(file).doesNotExist();
    }
}
