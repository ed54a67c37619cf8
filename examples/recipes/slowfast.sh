pip install torch==2.14.1 torchvision==0.29.1 "setuptools<81" wheel
pip install fvcore iopath simplejson psutil pandas scikit-learn scipy matplotlib tensorboard \
    av "opencv-python<5" parameterized networkx
git clone --no-checkout https://github.com/facebookresearch/pytorchvideo
(cd pytorchvideo && git checkout f3142bb05cdb56af0704ab6f0adfb0c7bbafe4a0 -- pytorchvideo)
git clone --no-checkout https://github.com/facebookresearch/SlowFast && cd SlowFast
git checkout 287ec0076846560f44a9327e931a5a2360240533 -- slowfast tools ava_evaluation
# Imports of a tree that is not published; detectron2 is needed for one layer, which is this:
sed -i 's/vision\.fair\.slowfast\.//; s/from tools\./from /; /import demo$/d; /import visualize$/d' \
    tools/run_net.py slowfast/utils/ava_eval_helper.py
sed -i 's/from detectron2.layers import/from torchvision.ops import RoIAlign as/' \
    slowfast/models/head_helper.py slowfast/models/ptv_model_builder.py
# To train without a GPU too:
sed -i 's/torch\.cuda\.synchronize()/torch.cuda.is_available() and &/' tools/train_net.py
export PYTHONPATH=$PWD:$PWD/../pytorchvideo
python tools/run_net.py --cfg "$RELEASE/configs/slowfast_ava.yaml" --opts \
    AVA.FRAME_DIR "$RELEASE/rawframes" AVA.FRAME_LIST_DIR "$RELEASE/frame_lists" \
    AVA.ANNOTATION_DIR "$RELEASE/annotations" \
    NUM_GPUS 1 TRAIN.BATCH_SIZE 8 TRAIN.CHECKPOINT_FILE_PATH SLOWFAST_8x8_R50.pkl
