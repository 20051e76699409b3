package uk.ac.manchester.tornado.api;

import io.sage4j.tornadojvm.Atomics;
import io.sage4j.tornadojvm.MatrixTiles;
import io.sage4j.tornadojvm.NativeMemory;
import io.sage4j.tornadojvm.WorkItem;
import java.util.Arrays;
import uk.ac.manchester.tornado.api.enums.MMAShape;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;
import uk.ac.manchester.tornado.api.types.BFloat16;
import uk.ac.manchester.tornado.api.types.FP8;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FP8Array;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;
import uk.ac.manchester.tornado.api.types.matrix.Matrix8x8Float;
import uk.ac.manchester.tornado.api.types.vectors.Half2;

/**
 * A kernel's view of the device. The program makes one and passes it as an argument of a task; while the task runs,
 * every work-item sees one of its own in its place. Outside a running task all ids are 0 and every call is an error.
 *
 * <p>Both barriers wait for all work-items of the group. Warps are 32 work-items with consecutive local ids, x fastest.
 */
public class KernelContext implements ExecutionContext {
    /** Id of the work-item in the launch, along x. */
    public final Integer globalIdx;

    /** Id of the work-item in the launch, along y. */
    public final Integer globalIdy;

    /** Id of the work-item in the launch, along z. */
    public final Integer globalIdz;

    /** Id of its group, along x. */
    public final Integer groupIdx;

    /** Id of its group, along y. */
    public final Integer groupIdy;

    /** Id of its group, along z. */
    public final Integer groupIdz;

    /** Id of the work-item in its group, along x. */
    public final Integer localIdx;

    /** Id of the work-item in its group, along y. */
    public final Integer localIdy;

    /** Id of the work-item in its group, along z. */
    public final Integer localIdz;

    /** Work-items of the launch, along x. */
    public final Integer globalGroupSizeX;

    /** Work-items of the launch, along y. */
    public final Integer globalGroupSizeY;

    /** Work-items of the launch, along z. */
    public final Integer globalGroupSizeZ;

    /** Work-items of a group, along x. */
    public final Integer localGroupSizeX;

    /** Work-items of a group, along y. */
    public final Integer localGroupSizeY;

    /** Work-items of a group, along z. */
    public final Integer localGroupSizeZ;

    private final WorkItem item;

    /** Makes the context that a program passes to its tasks. */
    public KernelContext() {
        item = null;
        globalIdx = globalIdy = globalIdz = 0;
        groupIdx = groupIdy = groupIdz = 0;
        localIdx = localIdy = localIdz = 0;
        globalGroupSizeX = globalGroupSizeY = globalGroupSizeZ = 0;
        localGroupSizeX = localGroupSizeY = localGroupSizeZ = 0;
    }

    /* The context of one work-item. */
    KernelContext(WorkItem item) {
        this.item = item;
        groupIdx = item.groupX();
        groupIdy = item.groupY();
        groupIdz = item.groupZ();
        localIdx = item.localX();
        localIdy = item.localY();
        localIdz = item.localZ();
        globalGroupSizeX = item.globalSizeX();
        globalGroupSizeY = item.globalSizeY();
        globalGroupSizeZ = item.globalSizeZ();
        localGroupSizeX = item.localSizeX();
        localGroupSizeY = item.localSizeY();
        localGroupSizeZ = item.localSizeZ();
        globalIdx = groupIdx * localGroupSizeX + localIdx;
        globalIdy = groupIdy * localGroupSizeY + localIdy;
        globalIdz = groupIdz * localGroupSizeZ + localIdz;
    }

    private WorkItem item(String call) {
        if (item == null) {
            throw new TornadoRuntimeException(
                    "KernelContext." + call + " outside a running task: run the kernel as a task of an execution plan");
        }
        return item.enter();
    }

    @Override
    public void localBarrier() {
        item("localBarrier").barrier();
    }

    @Override
    public void globalBarrier() {
        item("globalBarrier").barrier();
    }

    @Override
    public int[] allocateIntLocalArray(int size) {
        return item("allocateIntLocalArray").intArray(size);
    }

    @Override
    public byte[] allocateByteLocalArray(int size) {
        return item("allocateByteLocalArray").byteArray(size);
    }

    @Override
    public HalfFloat[] allocateHalfFloatLocalArray(int size) {
        return item("allocateHalfFloatLocalArray").halfArray(size);
    }

    @Override
    public Half2[] allocateHalf2LocalArray(int size) {
        return item("allocateHalf2LocalArray").half2Array(size);
    }

    @Override
    public long[] allocateLongLocalArray(int size) {
        return item("allocateLongLocalArray").longArray(size);
    }

    @Override
    public float[] allocateFloatLocalArray(int size) {
        return item("allocateFloatLocalArray").floatArray(size);
    }

    @Override
    public double[] allocateDoubleLocalArray(int size) {
        return item("allocateDoubleLocalArray").doubleArray(size);
    }

    /**
     * Sum over the warp, added in the order of a tree of shuffles.
     *
     * @param val own summand
     * @return the sum, in every lane
     */
    public float simdSum(float val) {
        return item("simdSum").sum(val);
    }

    /**
     * Value of a higher lane of the warp.
     *
     * @param val own value
     * @param delta distance of the lane
     * @return its value; the own one if there is no such lane
     */
    public float simdShuffleDown(float val, int delta) {
        return item("simdShuffleDown").shuffleDown(val, delta);
    }

    /**
     * Value of lane 0 of the warp.
     *
     * @param val own value
     * @return the value of lane 0
     */
    public float simdBroadcastFirst(float val) {
        return item("simdBroadcastFirst").broadcastFirst(val);
    }

    /**
     * Product of 8 x k and k x 8 matrices by one warp, all row by row.
     *
     * @param a left matrix
     * @param aBase its first element
     * @param lda distance of its rows
     * @param b right matrix
     * @param bBase its first element
     * @param ldb distance of its rows
     * @param c receives the product
     * @param cBase its first element
     * @param ldc distance of its rows
     * @param k inner size, a multiple of 8
     */
    public void matrixMultiply8x8(
            FloatArray a,
            int aBase,
            int lda,
            FloatArray b,
            int bBase,
            int ldb,
            FloatArray c,
            int cBase,
            int ldc,
            int k) {
        if (k % 8 != 0) {
            throw new TornadoRuntimeException("matrixMultiply8x8: inner size " + k + " is no multiple of 8");
        }
        item("matrixMultiply8x8").together("matrixMultiply8x8", () -> {
            Matrix8x8Float sum = new Matrix8x8Float();
            for (int step = 0; step < k; step += 8) {
                MatrixTiles.multiplyAdd(
                        MatrixTiles.load(a, aBase + step, lda), MatrixTiles.load(b, bBase + step * ldb, ldb), sum, sum);
            }
            MatrixTiles.store(sum, c, cBase, ldc);
        });
    }

    /**
     * A matrix of zeros.
     *
     * @return a new matrix
     */
    public Matrix8x8Float simdgroupMatrixZero() {
        item("simdgroupMatrixZero");
        return new Matrix8x8Float();
    }

    /**
     * Loads a matrix from global memory.
     *
     * @param a the array
     * @param base first element
     * @param stride distance of the rows
     * @return a new matrix
     */
    public Matrix8x8Float simdgroupMatrixLoad(FloatArray a, int base, int stride) {
        item("simdgroupMatrixLoad");
        return MatrixTiles.load(a, base, stride);
    }

    /**
     * Loads a matrix from local memory.
     *
     * @param a the local array
     * @param base first element
     * @param stride distance of the rows
     * @return a new matrix
     */
    public Matrix8x8Float simdgroupMatrixLoad(float[] a, int base, int stride) {
        return item("simdgroupMatrixLoad").tiles().load(a, base, stride);
    }

    /**
     * Product and sum of matrices.
     *
     * @param a left factor
     * @param b right factor
     * @param c summand
     * @return a * b + c, a new matrix
     */
    public Matrix8x8Float simdgroupMatrixMultiplyAccumulate(Matrix8x8Float a, Matrix8x8Float b, Matrix8x8Float c) {
        item("simdgroupMatrixMultiplyAccumulate");
        Matrix8x8Float result = new Matrix8x8Float();
        MatrixTiles.multiplyAdd(a, b, c, result);
        return result;
    }

    /**
     * Stores a matrix to global memory; the whole warp calls it with the same matrix.
     *
     * @param m the matrix
     * @param c the array
     * @param base first element
     * @param stride distance of the rows
     */
    public void simdgroupMatrixStore(Matrix8x8Float m, FloatArray c, int base, int stride) {
        item("simdgroupMatrixStore").together("simdgroupMatrixStore", () -> MatrixTiles.store(m, c, base, stride));
    }

    private void checkAtomic(TornadoNativeArray array, int index) {
        item("atomicAdd");
        if (index < 0 || index >= array.getSize()) {
            throw NativeMemory.outside(array.getClass().getSimpleName(), index, array.getSize());
        }
    }

    @Override
    public void atomicAdd(IntArray array, int index, int val) {
        checkAtomic(array, index);
        Atomics.add(array.getSegment(), index, val);
    }

    @Override
    public void atomicAdd(int[] array, int index, int val) {
        item("atomicAdd");
        Atomics.add(array, index, val);
    }

    @Override
    public void atomicAdd(LongArray array, int index, long val) {
        checkAtomic(array, index);
        Atomics.add(array.getSegment(), index, val);
    }

    @Override
    public void atomicAdd(FloatArray array, int index, float val) {
        checkAtomic(array, index);
        Atomics.add(array.getSegment(), index, val);
    }

    @Override
    public void atomicAdd(DoubleArray array, int index, double val) {
        checkAtomic(array, index);
        Atomics.add(array.getSegment(), index, val);
    }

    /**
     * Loads from a swizzled tile: bits 7 to 9 of the byte offset are XORed onto bits 4 to 6.
     *
     * @param arr the tile
     * @param row row
     * @param col column
     * @param stride elements of a row
     * @return the value
     */
    public HalfFloat swizzleLoadFp16Stride32(HalfFloat[] arr, int row, int col, int stride) {
        return item("swizzleLoadFp16Stride32").tiles().load(arr, MatrixTiles.swizzled(row, col, stride, 2, 7, 4));
    }

    /**
     * Stores into a swizzled tile: bits 7 to 9 of the byte offset are XORed onto bits 4 to 6.
     *
     * @param arr the tile
     * @param row row
     * @param col column
     * @param stride elements of a row
     * @param v the value
     */
    public void swizzleStoreFp16Stride32(HalfFloat[] arr, int row, int col, int stride, HalfFloat v) {
        item("swizzleStoreFp16Stride32").tiles().store(arr, MatrixTiles.swizzled(row, col, stride, 2, 7, 4), v);
    }

    /**
     * Loads from a swizzled tile: bits 6 to 8 of the byte offset are XORed onto bits 3 to 5.
     *
     * @param arr the tile
     * @param row row
     * @param col column
     * @param stride elements of a row
     * @return the value
     */
    public HalfFloat swizzleLoadFp16Stride16(HalfFloat[] arr, int row, int col, int stride) {
        return item("swizzleLoadFp16Stride16").tiles().load(arr, MatrixTiles.swizzled(row, col, stride, 2, 6, 3));
    }

    /**
     * Stores into a swizzled tile: bits 6 to 8 of the byte offset are XORed onto bits 3 to 5.
     *
     * @param arr the tile
     * @param row row
     * @param col column
     * @param stride elements of a row
     * @param v the value
     */
    public void swizzleStoreFp16Stride16(HalfFloat[] arr, int row, int col, int stride, HalfFloat v) {
        item("swizzleStoreFp16Stride16").tiles().store(arr, MatrixTiles.swizzled(row, col, stride, 2, 6, 3), v);
    }

    /**
     * Loads from a swizzled tile: bits 7 to 9 of the byte offset are XORed onto bits 4 to 6.
     *
     * @param arr the tile
     * @param row row
     * @param col column
     * @param stride elements of a row
     * @return the value
     */
    public byte swizzleLoadInt8(byte[] arr, int row, int col, int stride) {
        return item("swizzleLoadInt8").tiles().load(arr, MatrixTiles.swizzled(row, col, stride, 1, 7, 4));
    }

    /**
     * Stores into a swizzled tile: bits 7 to 9 of the byte offset are XORed onto bits 4 to 6.
     *
     * @param arr the tile
     * @param row row
     * @param col column
     * @param stride elements of a row
     * @param v the value
     */
    public void swizzleStoreInt8(byte[] arr, int row, int col, int stride, byte v) {
        item("swizzleStoreInt8").tiles().store(arr, MatrixTiles.swizzled(row, col, stride, 1, 7, 4), v);
    }

    /**
     * Stores into a swizzled tile that begins at a byte offset.
     *
     * @param arr the array
     * @param row row in the tile
     * @param col column in the tile
     * @param stride elements of a row
     * @param value the value
     * @param byteOffset start of the tile
     */
    public void mmaStoreBSwizzled(HalfFloat[] arr, int row, int col, int stride, HalfFloat value, int byteOffset) {
        int index = byteOffset / 2 + MatrixTiles.swizzled(row, col, stride, 2, 7, 4);
        item("mmaStoreBSwizzled").tiles().store(arr, index, value);
    }

    /**
     * A float accumulator: this lane's 4 elements of a 16 x 8 tile.
     *
     * @param v value of all elements
     * @return a new fragment
     */
    public float[] mmaFragment(float v) {
        item("mmaFragment");
        float[] fragment = new float[4];
        Arrays.fill(fragment, v);
        return fragment;
    }

    /**
     * This lane's part of a 16 x 16 tile of A, 16-bit elements.
     *
     * @param aTile tile: 16 rows of 32 bytes
     * @param wmmaK 16
     * @return a new fragment
     */
    public HalfFloat[] mmaLoadA(int[] aTile, int wmmaK) {
        return mmaLoadA(aTile, wmmaK, 0);
    }

    /**
     * This lane's part of a 16 x 8 tile of B, 16-bit elements.
     *
     * @param bTile tile: 16 rows of 16 bytes
     * @param wmmaK 16
     * @return a new fragment
     */
    public HalfFloat[] mmaLoadB(int[] bTile, int wmmaK) {
        return mmaLoadB(bTile, wmmaK, 0);
    }

    /**
     * This lane's part of a swizzled 16 x 8 tile of B, halves.
     *
     * @param bTile tile written by {@link #swizzleStoreFp16Stride32} with stride 8
     * @param wmmaK 16
     * @return a new fragment
     */
    public HalfFloat[] mmaLoadBSwizzled(HalfFloat[] bTile, int wmmaK) {
        return mmaLoadBSwizzled(bTile, wmmaK, 0);
    }

    /**
     * This lane's part of a 16 x 16 tile of A, 16-bit elements.
     *
     * @param aTile array with the tile: 16 rows of 32 bytes
     * @param wmmaK 16
     * @param byteOffset start of the tile, a multiple of 16
     * @return a new fragment
     */
    public HalfFloat[] mmaLoadA(int[] aTile, int wmmaK, int byteOffset) {
        return item("mmaLoadA").tiles().halvesOfA(aTile, wmmaK, byteOffset);
    }

    /**
     * This lane's part of a 16 x 8 tile of B, 16-bit elements.
     *
     * @param bTile array with the tile: 16 rows of 16 bytes
     * @param wmmaK 16
     * @param byteOffset start of the tile, a multiple of 16
     * @return a new fragment
     */
    public HalfFloat[] mmaLoadB(int[] bTile, int wmmaK, int byteOffset) {
        return item("mmaLoadB").tiles().halvesOfB(bTile, wmmaK, byteOffset);
    }

    /**
     * This lane's part of a swizzled 16 x 8 tile of B, halves.
     *
     * @param bTile array with the tile, written by {@link #mmaStoreBSwizzled} with stride 8
     * @param wmmaK 16
     * @param byteOffset start of the tile, a multiple of 16
     * @return a new fragment
     */
    public HalfFloat[] mmaLoadBSwizzled(HalfFloat[] bTile, int wmmaK, int byteOffset) {
        return item("mmaLoadBSwizzled").tiles().swizzledHalvesOfB(bTile, wmmaK, byteOffset);
    }

    /**
     * Matrix product of the warp, halves into floats.
     *
     * @param fragA part of A
     * @param fragB part of B
     * @param fragC part of C
     * @param mmaShape {@link MMAShape#M16N8K16}
     * @return part of A * B + C, a new fragment
     */
    public float[] mma(HalfFloat[] fragA, HalfFloat[] fragB, float[] fragC, MMAShape mmaShape) {
        return item("mma").multiply("mma", mmaShape, halves(fragA), halves(fragB), fragC);
    }

    /**
     * Matrix product of the warp, bfloat16 into floats.
     *
     * @param fragA part of A, bfloat16 bits
     * @param fragB part of B, bfloat16 bits
     * @param fragC part of C
     * @param mmaShape {@link MMAShape#M16N8K16}
     * @return part of A * B + C, a new fragment
     */
    public float[] mmaBF16(HalfFloat[] fragA, HalfFloat[] fragB, float[] fragC, MMAShape mmaShape) {
        return item("mmaBF16").multiply("mmaBF16", mmaShape, bfloats(fragA), bfloats(fragB), fragC);
    }

    /**
     * Stores this lane's part of a 16 x 8 tile to global memory.
     *
     * @param fragD the part
     * @param c row-major matrix
     * @param tileRow first row of the tile
     * @param tileCol first column of the tile
     * @param dimN elements of a row of the matrix
     */
    public void mmaStore(float[] fragD, FloatArray c, int tileRow, int tileCol, int dimN) {
        WorkItem lane = item("mmaStore");
        for (int i = 0; i < fragD.length; i++) {
            c.set((tileRow + lane.accumulatorRow(i)) * dimN + tileCol + lane.accumulatorColumn(i), fragD[i]);
        }
    }

    /**
     * An integer accumulator: this lane's 4 elements of a 16 x 8 tile.
     *
     * @param initValue value of all elements
     * @return a new fragment
     */
    public int[] mmaFragmentInt(int initValue) {
        item("mmaFragmentInt");
        int[] fragment = new int[4];
        Arrays.fill(fragment, initValue);
        return fragment;
    }

    /**
     * This lane's part of a 16 x 32 tile of A, bytes.
     *
     * @param aTile tile: 16 rows of 32 bytes
     * @param tileK 32
     * @return a new fragment
     */
    public byte[] mmaLoadAInt8(int[] aTile, int tileK) {
        return item("mmaLoadAInt8").tiles().bytesOfA(aTile, tileK);
    }

    /**
     * This lane's part of a 32 x 8 tile of B, bytes.
     *
     * @param bTile tile: 16 rows of 8 pairs, a pair being two bytes adjacent in k
     * @param tileK 32
     * @return a new fragment
     */
    public byte[] mmaLoadBInt8(int[] bTile, int tileK) {
        return item("mmaLoadBInt8").tiles().bytesOfB(bTile, tileK);
    }

    /**
     * Matrix product of the warp, signed bytes into integers that wrap.
     *
     * @param fragA part of A
     * @param fragB part of B
     * @param fragC part of C
     * @param shape {@link MMAShape#M16N8K32}
     * @return part of A * B + C, a new fragment
     */
    public int[] mmaInt8(byte[] fragA, byte[] fragB, int[] fragC, MMAShape shape) {
        return item("mmaInt8").multiply("mmaInt8", shape, fragA, fragB, fragC);
    }

    /**
     * Stores this lane's part of a 16 x 8 tile to global memory.
     *
     * @param fragD the part
     * @param out row-major matrix
     * @param row first row of the tile
     * @param col first column of the tile
     * @param stride elements of a row of the matrix
     */
    public void mmaStoreInt(int[] fragD, IntArray out, int row, int col, int stride) {
        WorkItem lane = item("mmaStoreInt");
        for (int i = 0; i < fragD.length; i++) {
            out.set((row + lane.accumulatorRow(i)) * stride + col + lane.accumulatorColumn(i), fragD[i]);
        }
    }

    /**
     * This lane's part of a 16 x 32 tile of A, 8-bit floats; the tile is laid out like that of {@link #mmaLoadAInt8}.
     *
     * @param aTile the tile
     * @param tileK 32
     * @return a new fragment
     */
    public byte[] mmaLoadAFP8(int[] aTile, int tileK) {
        return item("mmaLoadAFP8").tiles().bytesOfA(aTile, tileK);
    }

    /**
     * This lane's part of a 32 x 8 tile of B, 8-bit floats; the tile is laid out like that of {@link #mmaLoadBInt8}.
     *
     * @param bTile the tile
     * @param tileK 32
     * @return a new fragment
     */
    public byte[] mmaLoadBFP8(int[] bTile, int tileK) {
        return item("mmaLoadBFP8").tiles().bytesOfB(bTile, tileK);
    }

    /**
     * Matrix product of the warp, E4M3 into floats.
     *
     * @param fragA part of A
     * @param fragB part of B
     * @param fragC part of C
     * @param shape {@link MMAShape#M16N8K32}
     * @return part of A * B + C, a new fragment
     */
    public float[] mmaFP8E4M3(byte[] fragA, byte[] fragB, float[] fragC, MMAShape shape) {
        float[] a = new float[fragA.length];
        float[] b = new float[fragB.length];
        for (int i = 0; i < a.length; i++) {
            a[i] = FP8.e4m3ToFloat(fragA[i]);
        }
        for (int i = 0; i < b.length; i++) {
            b[i] = FP8.e4m3ToFloat(fragB[i]);
        }
        return item("mmaFP8E4M3").multiply("mmaFP8E4M3", shape, a, b, fragC);
    }

    /**
     * Matrix product of the warp, E5M2 into floats.
     *
     * @param fragA part of A
     * @param fragB part of B
     * @param fragC part of C
     * @param shape {@link MMAShape#M16N8K32}
     * @return part of A * B + C, a new fragment
     */
    public float[] mmaFP8E5M2(byte[] fragA, byte[] fragB, float[] fragC, MMAShape shape) {
        float[] a = new float[fragA.length];
        float[] b = new float[fragB.length];
        for (int i = 0; i < a.length; i++) {
            a[i] = FP8.e5m2ToFloat(fragA[i]);
        }
        for (int i = 0; i < b.length; i++) {
            b[i] = FP8.e5m2ToFloat(fragB[i]);
        }
        return item("mmaFP8E5M2").multiply("mmaFP8E5M2", shape, a, b, fragC);
    }

    /**
     * Copies 2 adjacent elements into one integer of a local array. The copy arrives when its group is waited for, not
     * before.
     *
     * @param dstTile local array
     * @param dstIndex element of it
     * @param src global array
     * @param srcIndex first element of it
     */
    public void asyncCopyToLocal(int[] dstTile, int dstIndex, HalfFloatArray src, int srcIndex) {
        int word = (src.get(srcIndex).getHalfFloatValue() & 0xffff)
                | src.get(srcIndex + 1).getHalfFloatValue() << 16;
        item("asyncCopyToLocal").tiles().copy(dstTile, dstIndex, word);
    }

    /**
     * Copies 4 adjacent elements into one integer of a local array. The copy arrives when its group is waited for, not
     * before.
     *
     * @param dstTile local array
     * @param dstIndex element of it
     * @param src global array
     * @param srcIndex first element of it
     */
    public void asyncCopyToLocal(int[] dstTile, int dstIndex, FP8Array src, int srcIndex) {
        int word = 0;
        for (int i = 0; i < 4; i++) {
            word |= (src.get(srcIndex + i) & 0xff) << 8 * i;
        }
        item("asyncCopyToLocal").tiles().copy(dstTile, dstIndex, word);
    }

    /**
     * Copies 4 adjacent elements into one integer of a local array. The copy arrives when its group is waited for, not
     * before.
     *
     * @param dstTile local array
     * @param dstIndex element of it
     * @param src global array
     * @param srcIndex first element of it
     */
    public void asyncCopyToLocal(int[] dstTile, int dstIndex, ByteArray src, int srcIndex) {
        int word = 0;
        for (int i = 0; i < 4; i++) {
            word |= (src.get(srcIndex + i) & 0xff) << 8 * i;
        }
        item("asyncCopyToLocal").tiles().copy(dstTile, dstIndex, word);
    }

    /** Makes one group of the copies begun since the last call. */
    public void asyncCopyCommit() {
        item("asyncCopyCommit").tiles().commit();
    }

    /**
     * Waits until at most some groups of copies are under way.
     *
     * @param groups how many of the latest groups need not have arrived
     */
    public void asyncCopyWaitGroup(int groups) {
        item("asyncCopyWaitGroup").tiles().awaitCopies(groups);
    }

    private static float[] halves(HalfFloat[] fragment) {
        float[] values = new float[fragment.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = fragment[i].getFloat32();
        }
        return values;
    }

    private static float[] bfloats(HalfFloat[] fragment) {
        float[] values = new float[fragment.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = BFloat16.bf16ToFloat(fragment[i].getHalfFloatValue());
        }
        return values;
    }
}
